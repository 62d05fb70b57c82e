import { randomInt } from 'node:crypto'
import t from 'tap'
import { attack } from '../../../fuzz/pdu.ts'

t.setTimeout(600_000)

t.test(
  '20,000 malformed associations, at both ends: coded errors, short steps, no socket left',
  async (t) => {
    const seed = randomInt(2 ** 32)
    const { kinds, longestStepMs, refused, served, ...counts } = await attack(20_000, seed)
    t.comment(`seed ${seed}: ${refused} refused, longest step ${Math.round(longestStepMs)} ms of CPU time`)
    t.same(counts, { associations: 20_000, broken: 0, leakedSockets: 0 }, `seed ${seed}`)
    t.equal(refused + served, 20_000)
    t.ok(refused > 12_000, 'most are seen to be malformed')
    t.ok(longestStepMs <= 100, `longest step: ${longestStepMs} ms of CPU time, seed ${seed}`)
    t.equal(Object.keys(kinds).length, 19)
    for (const [kind, count] of Object.entries(kinds)) t.ok(count > 40, `${kind}: ${count}`)
  },
)
