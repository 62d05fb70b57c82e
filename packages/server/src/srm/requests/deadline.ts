/** Longest time a timer of Node can wait, ms. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** One timer for the nearest of many times. */
export interface Deadline {
  /** Something is due then. */
  at(time: Date): void
  /** Does what is due by the clock, whether the timer has fired yet or not. */
  check(): void
  stop(): void
}

/** @param due does all that is due, and says at() of all that is not */
export function createDeadline(now: () => Date, due: () => void): Deadline {
  let nextMs = Infinity
  let timer: NodeJS.Timeout | undefined
  function arm(): void {
    clearTimeout(timer)
    if (nextMs === Infinity) return
    const waitMs = Math.min(Math.max(nextMs - now().getTime(), 1), MAX_TIMER_MS)
    timer = setTimeout(() => {
      deadline.check()
      arm()
    }, waitMs).unref()
  }
  const deadline: Deadline = {
    at(time) {
      if (time.getTime() >= nextMs) return
      nextMs = time.getTime()
      arm()
    },
    check() {
      if (now().getTime() < nextMs) return
      nextMs = Infinity
      due()
    },
    stop() {
      clearTimeout(timer)
    },
  }
  return deadline
}
