/** Preloaded into a server (`node --import`): each SIGUSR2 sets its wall clock 4 minutes ahead, right, 4 minutes back, right. */
const STEPS_MS = [240_000, 0, -240_000, 0]

const Real = Date
let step = -1
const shift = () => STEPS_MS[step] ?? 0

globalThis.Date = class extends Real {
  constructor(...args: unknown[]) {
    // A date of now is the only one that the clock decides.
    if (args.length === 0) super(Real.now() + shift())
    else super(...(args as [number]))
  }

  static override now(): number {
    return Real.now() + shift()
  }
} as DateConstructor

process.on('SIGUSR2', () => {
  step = (step + 1) % STEPS_MS.length
})
