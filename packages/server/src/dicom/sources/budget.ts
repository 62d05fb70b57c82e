import type { Purpose } from '../source.ts'

/** Room for one association or request at a source. */
export interface Slot {
  /** Gives it back; the second call does nothing. */
  free(): void
}

/** What one source may have open at once, whoever uses it: delivery, registration or a poll (FLOW 2.9). */
export interface Budget {
  readonly size: number
  /** slots given out */
  readonly used: number
  /** how many wait for a slot */
  readonly waiting: number
  /** Waits for a slot, in the order of asking, delivery before registration. @throws the signal's reason */
  take(purpose: Purpose, signal?: AbortSignal): Promise<Slot>
  /** A slot if one is to be had at once and nobody waits for it: for what would only make something faster. */
  tryTake(purpose: Purpose): Slot | undefined
}

/** Deliveries that may overtake a registration that waits; then it has its turn. */
const OVERTAKEN = 16

/** @param size slots; of several, registration leaves one for delivery */
export function createBudget(size: number): Budget {
  const used = { deliver: 0, register: 0 }
  const queues: Record<Purpose, (() => void)[]> = { deliver: [], register: [] }
  let overtaken = 0

  const hasRoom = (purpose: Purpose): boolean =>
    used.deliver + used.register < size && (purpose === 'deliver' || used.register < Math.max(1, size - 1))

  function give(purpose: Purpose): Slot {
    used[purpose]++
    let held = true
    return {
      free() {
        if (!held) return
        held = false
        used[purpose]--
        serve()
      },
    }
  }

  function serve(): void {
    for (;;) {
      const waits = queues.register.length > 0 && hasRoom('register')
      const first: Purpose = waits && overtaken >= OVERTAKEN ? 'register' : 'deliver'
      const next = [first, 'register' as const].find(
        (purpose) => queues[purpose].length > 0 && hasRoom(purpose),
      )
      if (next === undefined) return
      overtaken = next === 'deliver' && waits ? overtaken + 1 : 0
      queues[next].shift()!()
    }
  }

  return {
    size,
    get used() {
      return used.deliver + used.register
    },
    get waiting() {
      return queues.deliver.length + queues.register.length
    },
    take(purpose, signal) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason)
        const queue = queues[purpose]
        const turn = () => {
          signal?.removeEventListener('abort', leave)
          resolve(give(purpose))
        }
        const leave = () => {
          queue.splice(queue.indexOf(turn), 1)
          reject(signal!.reason)
        }
        signal?.addEventListener('abort', leave, { once: true })
        queue.push(turn)
        serve()
      })
    },
    tryTake(purpose) {
      const waiting = queues.deliver.length + queues.register.length
      return waiting === 0 && hasRoom(purpose) ? give(purpose) : undefined
    },
  }
}
