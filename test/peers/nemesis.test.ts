import { mkdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { MdmError } from '@mdm/core/errors'
import { newGuid } from '@mdm/core/names'
import { Ledger } from '../soak/nemesis/ledger.ts'
import { runNemesis } from '../soak/nemesis/run.ts'

t.setTimeout(600_000)

t.test('the ledger sees wrong bytes, two volumes of one series, and errors that must not be', async (t) => {
  const source = join(t.testdir(), 'source')
  mkdirSync(source)
  const ledger = new Ledger(source)
  const voxelsOf = async (n: number) =>
    (await readFile(join(source, `series-${n}`, 'CT0001.dcm'))).subarray(-4 * 3 * 2)
  for (let n = 1; n <= 2; n++) await ledger.addSeries({ columns: 4, rows: 3, slices: 1 })
  const [first, second] = [await voxelsOf(1), await voxelsOf(2)]
  const [one, other] = [newGuid(), newGuid()]
  const sees = (what: () => void, violations: number, name: string) => {
    const before = ledger.violations.length
    what()
    t.equal(ledger.violations.length - before, violations, name)
  }
  sees(() => ledger.check(one, first), 0, 'right')
  sees(
    () =>
      ledger.check(
        one,
        first.map((byte, i) => (i === 5 ? byte ^ 1 : byte)),
      ),
    1,
    'a bit',
  )
  sees(() => ledger.check(one, second), 1, 'the voxels of another series')
  sees(() => ledger.check(other, second), 1, 'two GUIDs of one series')
  sees(() => ledger.failed('get', new MdmError('MDM_UNREACHABLE')), 0, 'may be tried again')
  for (const error of [new MdmError('MDM_NOT_FOUND'), new MdmError('MDM_INTEGRITY'), new Error('odd')])
    sees(() => ledger.failed('get', error), 1, String(error))
})

/** `npm run soak:nemesis` does it for half an hour, and says what servers take. */
t.test(
  'a grid under load and a nemesis for three minutes: no wrong byte, nothing lost, nothing doubled',
  async (t) => {
    const { violations, counts, strikes, trends, volumes } = await runNemesis({
      seconds: 180,
      seed: Date.now() % 1_000,
    })
    t.comment({ counts, strikes, trends })
    t.strictSame(violations, [])
    t.ok(volumes > 5, `${volumes} volumes`)
    for (const what of [
      'gets, decrypted',
      'gets, raw',
      'gets, slice by slice',
      'queries',
      'grants',
      'revokes',
    ])
      t.ok((counts[what] ?? 0) > 0, `${counts[what]} ${what}`)
    t.ok(Object.keys(strikes).length >= 4, 'it was struck in several ways')
    for (const { server, fds } of trends) {
      const [first, last] = fds
      // A server that was killed late has no last third.
      if (Number.isFinite(first) && Number.isFinite(last))
        t.ok(last < first + 100, `${server}: ${first} -> ${last} descriptors`)
    }
  },
)
