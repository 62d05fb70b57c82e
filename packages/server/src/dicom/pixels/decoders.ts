import { createDecoders, type Decoders } from './pool.ts'

let shared: Decoders | undefined
let users = 0

/** The decoders of this process, shared by all sources; close() gives them up, and the last one who does ends them. */
export function openDecoders(): Decoders {
  users++
  const decoders = (shared ??= createDecoders())
  let isOpen = true
  return {
    ...decoders,
    async close() {
      if (!isOpen) return
      isOpen = false
      if (--users === 0) await decoders.close()
    },
  }
}
