/** One or several streams as one; another may join while it runs. */
export interface Merged<T> extends AsyncIterable<T> {
  /** @param stream adds what it brings */
  add(stream: AsyncGenerator<T>): void
}

/**
 * What several streams bring, as it comes. One that fails does not stop the others: its error is thrown when all have
 * ended.
 *
 * @param o `ahead`: each is asked for its next item as soon as it brought one, not only when that was taken
 */
export function merge<T>(o: { ahead: boolean }): Merged<T> {
  const streams: AsyncGenerator<T>[] = []
  const ready: { from: AsyncGenerator<T>; item: T }[] = []
  let running = 0
  let failed: { error: unknown } | undefined
  let news = Promise.withResolvers<void>()

  const ask = (from: AsyncGenerator<T>): void => {
    from
      .next()
      .then(
        (next) => {
          if (next.done === true) running--
          else ready.push({ from, item: next.value })
        },
        (error: unknown) => {
          failed ??= { error }
          running--
        },
      )
      .finally(() => news.resolve())
  }

  return {
    add(stream) {
      streams.push(stream)
      running++
      ask(stream)
    },
    async *[Symbol.asyncIterator]() {
      try {
        while (running > 0) {
          const next = ready.shift()
          if (next === undefined) {
            await news.promise
            news = Promise.withResolvers()
            continue
          }
          if (o.ahead) ask(next.from)
          yield next.item
          if (!o.ahead) ask(next.from)
        }
      } finally {
        // Not awaited: one that waits for its peer ends when its association does.
        for (const stream of streams) stream.return(undefined).catch(() => undefined)
      }
      if (failed !== undefined) throw failed.error
    },
  }
}
