/** Events that any number of readers follow from the first one on; it goes on when a reader leaves. */
export interface Feed<T> {
  push(event: T): void
  /** No event comes after this. */
  end(): void
  follow(): AsyncGenerator<T, void>
}

export function createFeed<T>(): Feed<T> {
  const events: T[] = []
  let ended = false
  let news = Promise.withResolvers<void>()
  const wake = () => {
    news.resolve()
    news = Promise.withResolvers<void>()
  }
  return {
    push(event) {
      events.push(event)
      wake()
    },
    end() {
      ended = true
      wake()
    },
    async *follow() {
      for (let next = 0; ;) {
        while (next < events.length) yield events[next++]!
        if (ended) return
        await news.promise
      }
    },
  }
}
