import t from 'tap'
import { measureMemory, type MemoryRun } from './measure-memory.ts'

// Short runs; bench/memory.ts does the same with 1 GB. The window alone is 64 MiB: a volume that were kept whole, or
// whose pieces were, would show.
const ORDERS = ['even, then odd', 'reversed'] as const
const SHAPES = {
  'slices of 8 frames': { columns: 512, rows: 512, slices: 256 },
  '8 slices a frame': { columns: 64, rows: 64, slices: 16_384 },
}

for (const [shape, size] of Object.entries(SHAPES)) {
  for (const order of ORDERS) {
    const run: MemoryRun = { ...size, order }
    t.test(
      `a volume of 128 MiB, ${shape}, sent ${order}, raises the peak by less than 150 MiB`,
      async (t) => {
        if (process.platform !== 'linux') return t.pass('skipped: VmHWM is read from /proc')
        const { same, riseMiB, beforeMiB, ms } = await measureMemory(run)
        t.comment(`rise ${riseMiB.toFixed(0)} MiB over ${beforeMiB.toFixed(0)} MiB, ${ms.toFixed(0)} ms`)
        t.ok(same)
        t.ok(riseMiB < 150)
      },
    )
  }
}
