import { ORDERS } from '../test/server/deliver/fixture.ts'
import { measureMemory, type MemoryRun } from '../test/flows/measure-memory.ts'

// The long version of test/flows/memory.test.ts: 1 GiB of voxels in every order and two slice sizes.
// Run: npm exec -- node --conditions=@mdm/source bench/memory.ts [folder for the spool]

const SHAPES = {
  '512x512': { columns: 512, rows: 512, slices: 2048 },
  '256x256': { columns: 256, rows: 256, slices: 8192 },
}
const LIMIT_MIB = 150
const folder = process.argv[2]

console.log('slice     order            rise MiB   seconds   MiB/s   plaintext')
for (const [shape, size] of Object.entries(SHAPES)) {
  for (const order of Object.keys(ORDERS) as MemoryRun['order'][]) {
    const { riseMiB, ms, bytes, same } = await measureMemory({
      ...size,
      order,
      ...(folder === undefined ? {} : { folder }),
    })
    const speed = bytes / 2 ** 20 / (ms / 1000)
    const cells = [
      shape.padEnd(9),
      order.padEnd(14),
      riseMiB.toFixed(0).padStart(10),
      (ms / 1000).toFixed(1).padStart(9),
    ]
    console.log([...cells, speed.toFixed(0).padStart(7), same ? '  right' : '  WRONG'].join(' '))
    if (!same || riseMiB >= LIMIT_MIB) process.exitCode = 1
  }
}
