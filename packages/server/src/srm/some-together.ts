/** Names of one request that are looked at together: a thousand at once would hold up the store for everybody. */
const TOGETHER = 8

/** Does the same with each of many, some at a time. @returns what came of them, in their order */
export async function someTogether<T, R>(all: readonly T[], work: (one: T) => Promise<R>): Promise<R[]> {
  const done: R[] = []
  for (let at = 0; at < all.length; at += TOGETHER)
    done.push(...(await Promise.all(all.slice(at, at + TOGETHER).map(work))))
  return done
}
