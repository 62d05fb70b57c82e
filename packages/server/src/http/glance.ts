/**
 * A look at something that costs a little, for any number who ask: one at a time, its answer good for `everyMs`. So a crowd, or a
 * stranger who asks again and again, causes no more looks than one.
 *
 * @param look bounded in time by itself; when it fails, it fails for all who share it
 */
export function createGlance<T>(everyMs: number, look: () => Promise<T>): () => Promise<T> {
  let due = -Infinity
  let last: Promise<T> | undefined
  return () => {
    if (last !== undefined && performance.now() < due) return last
    // Not due again while it is under way.
    due = Infinity
    const next = look().finally(() => (due = performance.now() + everyMs))
    last = next
    return next
  }
}

/** What `work` gives, or `late` when it fails or takes longer than `ms`. */
export async function inTime<T>(work: Promise<T>, ms: number, late: T): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<T>((resolve) => (timer = setTimeout(resolve, ms, late)))
  try {
    return await Promise.race([work.catch(() => late), over])
  } finally {
    clearTimeout(timer)
  }
}
