/** Events that any number of readers follow; it goes on when a reader leaves. */
export interface Feed<T> {
  push(event: T): void
  /** No event comes after this. */
  end(): void
  /** From the oldest event that is kept. A reader who falls further behind than that misses some: nobody waits for him. */
  follow(): AsyncGenerator<T, void>
}

/** Events kept for readers who come later or are slow; a job over a large source has many more. */
const KEPT = 10_000

export function createFeed<T>(kept = KEPT): Feed<T> {
  const events: T[] = []
  /** how many events came before those that are kept */
  let before = 0
  let ended = false
  let news = Promise.withResolvers<void>()
  const wake = () => {
    news.resolve()
    news = Promise.withResolvers<void>()
  }
  return {
    push(event) {
      events.push(event)
      // In large steps: moving the others costs as much as keeping them.
      if (events.length >= 2 * kept) before += events.splice(0, events.length - kept).length
      wake()
    },
    end() {
      ended = true
      wake()
    },
    async *follow() {
      for (let next = 0; ;) {
        next = Math.max(next, before)
        while (next < before + events.length) {
          yield events[next++ - before]!
          next = Math.max(next, before)
        }
        if (ended) return
        await news.promise
      }
    },
  }
}
