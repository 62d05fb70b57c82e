import { constants } from 'node:os'

/** Ctrl-C, a closed terminal or a polite kill: the way a user says stop. */
export class Interrupted extends Error {
  /** 128 + the number of the signal, as shells report it: 130 for Ctrl-C. */
  readonly exitCode: number

  constructor(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP') {
    super(`stopped by ${signal}`)
    this.name = 'Interrupted'
    this.exitCode = 128 + constants.signals[signal]
  }
}

const controller = new AbortController()

/** Aborted with an Interrupted at the first signal; every remote call of a command takes it. */
export const interruption: AbortSignal = controller.signal

/** Lets the first signal end the command in good order and the second one at once. */
export function watchSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      const reason = new Interrupted(signal)
      if (controller.signal.aborted) process.exit(reason.exitCode)
      controller.abort(reason)
    })
  }
}
