import { randomInt } from 'node:crypto'
import t from 'tap'
import { run } from '../../../fuzz/dataset.ts'
import { MUTATIONS } from '../../../fuzz/dataset/mutations.ts'
import { ownSeeds, realSeeds } from '../../../fuzz/dataset/seeds.ts'

/** What reading may add to the memory of a server, with the altered objects themselves, of up to 5 MiB each. */
const MAX_GROWTH_MIB = 512

t.setTimeout(300_000)

t.test('of 20,000 altered objects none breaks the reader, holds it up or gets told', async (t) => {
  const seed = randomInt(2 ** 31)
  const seeds = [...(await ownSeeds()), ...realSeeds()]
  const { broken, told, slow, notes, kinds, read, damaged, refused, volumes, ...memory } = run(
    20_000,
    seed,
    seeds,
  )
  t.same({ broken, told, slow }, { broken: 0, told: 0, slow: 0 }, `seed ${seed}: ${notes.join('; ')}`)
  t.ok(memory.peakMiB - memory.beforeMiB < MAX_GROWTH_MIB, `${memory.beforeMiB} to ${memory.peakMiB} MiB`)
  for (const kind of Object.keys(MUTATIONS)) t.ok((kinds[kind] ?? 0) > 0, `${kind}: ${kinds[kind]}`)
  t.ok(read > 10_000 && damaged > 500 && refused > 500 && volumes > 20, 'all that can happen happens')
})
