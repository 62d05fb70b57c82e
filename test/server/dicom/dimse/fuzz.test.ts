import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import t from 'tap'
import type { Tally } from '../../../fuzz/pdu.ts'

t.setTimeout(600_000)

// in a process of its own: tap follows every promise, which costs more than what is measured
t.test(
  '20,000 malformed associations, at both ends: coded errors, short steps, no socket left',
  async (t) => {
    const seed = randomInt(2 ** 32)
    const script = ['--conditions=@mdm/source', 'test/fuzz/pdu.ts', '20000', String(seed)]
    const child = spawn(process.execPath, script, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { PATH: process.env.PATH },
    })
    const [said, [status]] = await Promise.all([text(child.stdout), once(child, 'exit')])
    t.equal(status, 0, `the process lives to its end, seed ${seed}`)
    const { associations, broken, leakedSockets, kinds, longestStepMs, refused, served } = JSON.parse(
      said,
    ) as Tally
    t.comment(`seed ${seed}: ${refused} refused, longest step ${Math.round(longestStepMs)} ms of CPU time`)
    t.same({ associations, broken, leakedSockets }, { associations: 20_000, broken: 0, leakedSockets: 0 })
    t.ok(served > 1_000, 'and some are served all the same')
    t.ok(refused > 12_000, 'most are seen to be malformed')
    t.ok(longestStepMs <= 100, `longest step: ${longestStepMs} ms of CPU time, seed ${seed}`)
    t.equal(Object.keys(kinds).length, 19)
    for (const [kind, count] of Object.entries(kinds)) t.ok(count > 40, `${kind}: ${count}`)
  },
)
