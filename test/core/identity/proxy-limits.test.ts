import { randomUUID } from 'node:crypto'
import t from 'tap'
import { administersSite, allows, isAdministrator, type List } from '@mdm/core/acl/evaluate'
import { identify, type Caller } from '@mdm/core/identity/identify'
import type { Limits } from '@mdm/core/identity/limits'
import { LANGUAGE, writePolicy } from '@mdm/core/identity/proxy/policy'
import { Guid, Version } from '@mdm/core/names'
import { holderOf, proxyOf, type Holder, type ProxyOptions } from '../../fixtures/x509/proxies.ts'
import { certificate, name } from './certificates.ts'
import { caName, sampleSite, trusted } from './roster-samples.ts'

const now = new Date('2026-11-24T12:00:00Z')
const sample = sampleSite()
const roster = await trusted(sample.body, sample.signer)
const [first, second] = [Guid.parse(randomUUID()), Guid.parse(randomUUID())]
const unknown = { code: 'MDM_UNAUTHENTICATED' }

/** The administrator of the roster, with a certificate of its CA. */
const ada = holderOf(
  certificate({
    subject: name(['C', 'FR'], ['O', 'Hospital'], ['CN', 'Ada Admin']),
    issuer: caName,
    key: sample.administrator,
    signer: sample.caKey,
  }),
  sample.administrator,
)

const HOUR_MS = 3_600_000
const day = { notBefore: now, notAfter: new Date(now.getTime() + 24 * HOUR_MS) }
const restricted = (limits: Limits): ProxyOptions => ({
  ...day,
  language: LANGUAGE.mdmLimits,
  policy: writePolicy(limits),
})
const who = (holder: Holder) => identify(holder.chain, roster, now) as Caller & { kind: 'user' }
const both: Limits = { guids: [first, second], operations: ['read-file', 'read-key'] }

t.test('a restricted proxy carries its limits, and proxies below it narrow them', async (t) => {
  const outer = proxyOf(ada, restricted(both))
  t.match(who(outer), { proxy: 'restricted', limits: both })
  t.match(who(proxyOf(outer)), { proxy: 'restricted', limits: both }, 'inheritAll inherits them')
  t.match(who(proxyOf(outer, { language: LANGUAGE.limited })), { proxy: 'restricted', limits: both })
  const inner = proxyOf(outer, restricted({ guids: [second], operations: ['read-file'] }))
  t.strictSame(who(inner).limits, { guids: [second], operations: ['read-file'] })
  const wider = proxyOf(inner, restricted(both))
  t.strictSame(who(wider).limits, { guids: [second], operations: ['read-file'] }, 'never widened again')
})

t.test('limits last a day at most, whoever signed them', async (t) => {
  const after = (hours: number) => ({ notAfter: new Date(now.getTime() + hours * HOUR_MS) })
  t.match(who(proxyOf(ada, { ...restricted(both), ...after(24) })), { proxy: 'restricted' })
  t.throws(() => who(proxyOf(ada, { ...restricted(both), ...after(25) })), unknown)
  t.throws(() => who(proxyOf(proxyOf(ada, { ...restricted(both), ...after(25) }))), unknown, 'nor below')
  t.match(who(proxyOf(ada, { ...day, ...after(500) })), { proxy: 'full' }, 'as a proxy of its owner may')
})

t.test('when nothing is left nobody is let in', async (t) => {
  const outer = proxyOf(ada, restricted({ guids: [first], operations: ['read-file'] }))
  t.throws(() => who(proxyOf(outer, restricted({ guids: [second], operations: ['read-file'] }))), unknown)
  t.throws(() => who(proxyOf(outer, restricted({ guids: [first], operations: ['read-key'] }))), unknown)
})

t.test('a policy that is missing or not one of ours refuses the proxy', async (t) => {
  const language = LANGUAGE.mdmLimits
  t.throws(() => who(proxyOf(ada, { ...day, language })), unknown)
  const bad = ['', '{}', 'null', '{"guids":[],"operations":["read-file"]}', '{"guids":["x"]']
  const more = JSON.stringify({ ...both, also: 1 })
  const other = JSON.stringify({ ...both, operations: ['write'] })
  for (const policy of [...bad, more, other].map((text) => Buffer.from(text)))
    t.throws(() => who(proxyOf(ada, { ...day, language, policy })), unknown, policy.toString())
  const notText = Buffer.from([0xff, 0xfe])
  t.throws(() => who(proxyOf(ada, { language, policy: notText })), unknown)
})

t.test('limits reach decisions', async (t) => {
  const list = (scope: Guid, object: 'file' | 'key'): List => ({
    ...{ scope, object, administrators: [] },
    entries: [
      {
        to: { kind: 'user', dn: who(ada).dn, issuer: who(ada).issuer },
        rights: ['list', 'read'],
        versions: 'all',
      },
    ],
  })
  const may = (caller: Caller, scope: Guid, object: 'file' | 'key') =>
    allows(list(scope, object), caller, 'read', { now, version: Version.parse(1) })
  const caller = who(proxyOf(ada, restricted({ guids: [first], operations: ['read-file'] })))
  t.ok(may(caller, first, 'file'))
  t.notOk(may(caller, second, 'file'))
  t.notOk(may(caller, first, 'key'))
  t.ok(may(who(ada), second, 'key'))
})

t.test('no proxy administers, not even one for the key of the administrator', async (t) => {
  const list = { administrators: [] }
  t.ok(isAdministrator(list, who(ada), roster))
  t.ok(administersSite(who(ada), roster))
  for (const holder of [proxyOf(ada), proxyOf(ada, { key: sample.administrator }), proxyOf(proxyOf(ada))]) {
    t.notOk(isAdministrator(list, who(holder), roster))
    t.notOk(isAdministrator({ administrators: [who(holder).spki] }, who(holder), roster), 'nor appointed')
    t.notOk(administersSite(who(holder), roster))
  }
})
