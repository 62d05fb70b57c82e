import t from 'tap'
import { MdmError } from '@mdm/core/errors'
import type { Audit, AuditEvent } from '../../../packages/server/src/audit/audit.ts'
import { countRefusals } from '../../../packages/server/src/audit/refusals.ts'

const caller = (spki: string) => ({ dn: 'CN=x', issuer: 'CN=ca', spki })
const refusal = (spki?: string) => ({
  event: 'refused',
  code: 'MDM_NOT_FOUND' as const,
  ...(spki === undefined ? {} : { caller: caller(spki) }),
})

function recorder() {
  const written: AuditEvent[] = []
  const state = { writable: true }
  const audit: Audit = {
    get writable() {
      return state.writable
    },
    get records() {
      return written.length
    },
    async record(event) {
      if (!state.writable) throw new MdmError('MDM_AUDIT')
      written.push(event)
    },
    async close() {},
  }
  return { audit, written, state }
}

t.test('the first refusal of a caller and minute is written, the rest are counted in the next', async (t) => {
  const { audit, written } = recorder()
  let now = 0
  const refusals = countRefusals(audit, { now: () => now })
  for (let i = 0; i < 5; i++) await refusals.note(refusal('a'))
  await refusals.note(refusal('b'))
  now = 60_000
  await refusals.note(refusal('a'))
  await refusals.note(refusal('b'))
  t.strictSame(
    written.map((e) => [e.caller?.spki, e.outcome, e.counted]),
    [
      ['a', 'refused', undefined],
      ['b', 'refused', undefined],
      ['a', 'refused', 4],
      ['b', 'refused', undefined],
    ],
  )
})

t.test('callers nobody could identify share one minute', async (t) => {
  const { audit, written } = recorder()
  const refusals = countRefusals(audit, { now: () => 0 })
  await refusals.note(refusal())
  await refusals.note(refusal())
  t.equal(written.length, 1)
})

t.test('proxies share the minute of their owner, who can make as many as he likes', async (t) => {
  const { audit, written } = recorder()
  const refusals = countRefusals(audit, { now: () => 0 })
  const by = (spki: string, proxy?: 'restricted' | 'full') =>
    refusals.note({ ...refusal(), caller: { ...caller(spki), ...(proxy === undefined ? {} : { proxy }) } })
  for (let i = 0; i < 100; i++) await by(`proxy ${i}`, i % 2 === 0 ? 'restricted' : 'full')
  await by('his own key')
  t.strictSame(
    written.map((e) => [e.caller?.spki, e.caller?.proxy]),
    [
      ['proxy 0', 'restricted'],
      ['his own key', undefined],
    ],
  )
})

t.test('a refusal that could not be written is due again, and counted', async (t) => {
  const { audit, written, state } = recorder()
  const refusals = countRefusals(audit, { now: () => 0 })
  state.writable = false
  await t.rejects(refusals.note(refusal('a')), { code: 'MDM_AUDIT' })
  await t.rejects(refusals.note(refusal('a')), { code: 'MDM_AUDIT' })
  state.writable = true
  await refusals.note(refusal('a'))
  t.strictSame(
    written.map((e) => e.counted),
    [2],
  )
})

t.test('many callers do not fill the memory', async (t) => {
  const { audit, written } = recorder()
  const refusals = countRefusals(audit, { now: () => 0 })
  for (let i = 0; i < 20_000; i++) await refusals.note(refusal(`caller ${i}`))
  t.equal(written.length, 20_000)
  await refusals.note(refusal('caller 0'))
  t.equal(written.length, 20_001, 'the oldest was forgotten, so it is written again')
})
