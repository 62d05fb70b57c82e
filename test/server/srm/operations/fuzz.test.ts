import { execFile } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import type { SoapTally } from '../../../fuzz/soap.ts'
import { ATTACKS } from '../../../fuzz/soap/messages.ts'

const SCRIPT = resolve(import.meta.dirname, '../../../fuzz/soap.ts')

t.setTimeout(300_000)

t.test(
  '20,000 malformed messages over httpg are answered in SOAP, with a code, and nothing else',
  async (t) => {
    // In a process of its own: tap follows every promise of this one.
    const seed = randomInt(2 ** 31)
    const args = ['--conditions=@mdm/source', SCRIPT, '20000', String(seed)]
    const { stdout } = await promisify(execFile)(process.execPath, args).catch(
      (failed: { stdout: string }) => failed,
    )
    const tally = JSON.parse(stdout.split('\n')[0]!) as SoapTally & { broken: number }
    t.equal(tally.broken, 0, stdout)
    t.equal(tally.answered + tally.faults, 20_000, `seed ${seed}`)
    t.ok(tally.answered > 2_000 && tally.faults > 10_000, 'all that can happen happens')
    const { whole = 0, altered = 0, ...attacks } = tally.kinds
    t.ok(whole > 1_000 && altered > 10_000)
    t.ok(Object.keys(attacks).length > Object.keys(ATTACKS).length / 2, 'most attacks are made')
  },
)
