import { randomBytes, randomInt } from 'node:crypto'
import t from 'tap'
import { tamper } from '../../fuzz/container.ts'
import { open, randomKey, sampleContext, seal } from './container-samples.ts'

t.test(
  'of 100,000 altered containers none is accepted, and no byte that was not sealed comes out',
  async (t) => {
    const seed = randomInt(2 ** 32)
    const { accepted, broken, refused, kinds } = await tamper(100_000, seed)
    t.same({ accepted, broken, refused }, { accepted: 0, broken: 0, refused: 100_000 }, `seed ${seed}`)
    t.equal(Object.keys(kinds).length, 13)
    for (const [kind, count] of Object.entries(kinds)) t.ok(count > 500, `${kind}: ${count}`)
  },
)

t.test('every single bit of a small container counts', async (t) => {
  const key = randomKey()
  const context = sampleContext(20)
  const container = await seal(context, key, randomBytes(20))
  let refused = 0
  for (let bit = 0; bit < container.length * 8; bit++) {
    container[bit >> 3]! ^= 1 << (bit & 7)
    await open(container, key, context).then(
      () => t.fail(`bit ${bit}`),
      (error) =>
        ['MDM_CONTAINER', 'MDM_COMMITMENT'].includes(error.code) ? refused++ : t.fail(`bit ${bit}: ${error}`),
    )
    container[bit >> 3]! ^= 1 << (bit & 7)
  }
  t.equal(refused, container.length * 8)
  t.equal((await open(container, key, context)).length, 20, 'mended, it opens')
})
