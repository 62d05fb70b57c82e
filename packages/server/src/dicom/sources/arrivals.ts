import { MdmError } from '@mdm/core/errors'
import type { ReceivedObject } from '../dimse/index.ts'

/**
 * Objects that a C-MOVE brings to the site's own listener, on behalf of the retrievals that asked for them. The listener
 * has made sure which source the sender belongs to.
 */
export interface Arrivals {
  /** application entity title of the listener, which the servers know with its address */
  readonly ae: string
  /**
   * Takes an object for the retrieval that waits for it.
   *
   * @returns the status to answer (PS3.7 9.1.1.1.9); undefined when nobody asked this source for it
   */
  take(object: ReceivedObject, source: string): Promise<number> | undefined
  /** Waits for objects of a source. @param sops those that are still wanted, at any time */
  expect(source: string, sops: ReadonlySet<string>): Expected
}

/** Objects as they arrive; each is answered when the next is asked for. */
export interface Expected extends AsyncIterable<ReceivedObject> {
  /** Nothing more will come; with an error, the reader is told. */
  end(error?: unknown): void
}

/** Processing failure (PS3.4 B.2.3): whoever asked for it has gone. */
const FAILED = 0x0110

interface Waiting {
  isFor(object: ReceivedObject, source: string): boolean
  give(object: ReceivedObject): Promise<number>
}

/** @param ae title of the site's listener */
export function createArrivals(ae: string): Arrivals {
  const waiting = new Set<Waiting>()
  return {
    ae,
    take(object, source) {
      for (const one of waiting) if (one.isFor(object, source)) return one.give(object)
      return undefined
    },
    expect(asked, sops) {
      const arrived: { object: ReceivedObject; answer: (status: number) => void }[] = []
      let ended: { error?: unknown } | undefined
      let news = Promise.withResolvers<void>()
      const one: Waiting = {
        isFor: (object, source) => source === asked && sops.has(object.sop),
        give(object) {
          const { promise, resolve } = Promise.withResolvers<number>()
          arrived.push({ object, answer: resolve })
          news.resolve()
          return promise
        },
      }
      waiting.add(one)
      return {
        end(error) {
          waiting.delete(one)
          ended ??= error === undefined ? {} : { error }
          news.resolve()
        },
        async *[Symbol.asyncIterator]() {
          let answer: ((status: number) => void) | undefined
          try {
            for (;;) {
              const next = arrived.shift()
              if (next !== undefined) {
                answer = next.answer
                yield next.object
                answer(0)
                answer = undefined
              } else if (ended !== undefined) {
                if (ended.error !== undefined) throw ended.error
                return
              } else {
                await news.promise
                news = Promise.withResolvers()
              }
            }
          } finally {
            waiting.delete(one)
            answer?.(FAILED)
            for (const { answer: refuse } of arrived) refuse(FAILED)
            ended ??= { error: new MdmError('MDM_SOURCE_INCOMPLETE', 'the reader has gone') }
          }
        },
      }
    },
  }
}
