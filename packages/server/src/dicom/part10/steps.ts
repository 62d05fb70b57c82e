import { setImmediate } from 'node:timers/promises'

/** Work that pauses every few milliseconds at most, so that who runs it can let others in between. */
export type Steps<T> = Generator<undefined, T, undefined>

/** Work between two pauses is counted in elements and items passed. */
export const PAUSE_AFTER = 20_000

/** Others wait no longer than this, and a pause more, while a header is read. */
const TURN_MS = 10

/** Runs work through in one go. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
  }
}

/** Runs work in turns with all else that the process has to do. */
export async function inTurns<T>(steps: Steps<T>): Promise<T> {
  for (let began = performance.now(); ;) {
    const { done, value } = steps.next()
    if (done === true) return value
    if (performance.now() - began < TURN_MS) continue
    await setImmediate()
    began = performance.now()
  }
}
