import t from 'tap'
import { allowedVersions, allows, isAdministrator, isMember } from '@mdm/core/acl/evaluate'
import type { Principal } from '@mdm/core/acl/principal'
import type { AclEntry, Right } from '@mdm/core/acl/statement'
import { parseDn } from '@mdm/core/identity/dn'
import type { Caller } from '@mdm/core/identity/identify'
import { SiteId } from '@mdm/core/names'
import { ISSUER } from '../identity/roster-samples.ts'
import { ada, GUID, NOW, roster, sample, user } from './statement-samples.ts'

const site = sample.site
const caller = (cn: string, o: Partial<Extract<Caller, { kind: 'user' }>> = {}): Caller => ({
  kind: 'user',
  dn: parseDn(`CN=${cn},O=Hospital,C=FR`),
  issuer: ISSUER,
  spki: 'ab'.repeat(32),
  notAfter: new Date('2030-01-01T00:00:00Z'),
  fqans: [],
  ...o,
})
const service = (id: SiteId): Caller => ({ ...caller('service'), kind: 'service', site: id })

const list = (...entries: AclEntry[]) => ({
  site,
  scope: GUID,
  object: 'file' as const,
  seq: 0,
  head: null,
  administrators: [],
  statements: [],
  entries,
})
const entry = (to: Principal, rights: Right[] = ['read'], o: Partial<AclEntry> = {}): AclEntry => ({
  to,
  rights,
  versions: 'all',
  ...o,
})
const can = (
  entries: AclEntry[],
  who: Caller,
  o: { right?: Right; version?: number; now?: Date; groups?: Map<string, Principal[]> } = {},
) =>
  allows(list(...entries), who, o.right ?? 'read', {
    version: o.version ?? 1,
    now: o.now ?? NOW,
    ...(o.groups && { groups: o.groups }),
  })

t.test('what no entry gives is denied', async (t) => {
  t.notOk(can([], caller('Alice')))
  t.ok(can([entry(user('Alice'))], caller('Alice')))
  t.notOk(can([entry(user('Alice'))], caller('Bob')))
  t.notOk(can([entry(user('Alice'), ['list'])], caller('Alice')), 'another right')
})

t.test('a user is name and CA, and no part of a name', async (t) => {
  const alice = [entry(user('Alice'))]
  t.notOk(can(alice, caller('Alice', { issuer: parseDn('CN=Other CA,C=FR') })))
  for (const cn of ['Alice Martin', 'Ali', 'Alice\\,x', 'xAlice']) t.notOk(can(alice, caller(cn)), cn)
  t.notOk(can(alice, caller('x', { dn: parseDn('CN=42,CN=Alice,O=Hospital,C=FR') })), 'a name below')
  t.notOk(can(alice, caller('x', { dn: parseDn('O=Hospital,C=FR') })), 'a name above')
})

t.test('rights are a union, so order and number of entries do not matter', async (t) => {
  const entries = [entry(user('Alice'), ['list']), entry(user('Alice'), ['read'], { versions: [2] })]
  for (const order of [entries, entries.toReversed()]) {
    t.ok(can(order, caller('Alice'), { right: 'list', version: 1 }))
    t.ok(can(order, caller('Alice'), { version: 2 }))
    t.notOk(can(order, caller('Alice'), { version: 1 }))
  }
})

t.test('an entry ends on the millisecond', async (t) => {
  const ends = [entry(user('Alice'), ['read'], { expires: NOW.toISOString() })]
  t.ok(can(ends, caller('Alice'), { now: new Date(NOW.getTime() - 1) }))
  t.notOk(can(ends, caller('Alice'), { now: NOW }))
})

t.test('the versions of all entries add up', async (t) => {
  const entries = [
    entry(user('Alice'), ['read'], { versions: [3, 1] }),
    entry(user('Alice'), ['read'], { versions: [2, 3] }),
  ]
  t.strictSame(allowedVersions(list(...entries), caller('Alice'), 'read', { now: NOW }), [1, 2, 3])
  t.equal(
    allowedVersions(list(...entries, entry(user('Alice'))), caller('Alice'), 'read', { now: NOW }),
    'all',
  )
  t.strictSame(allowedVersions(list(...entries), caller('Bob'), 'read', { now: NOW }), [])
})

t.test('views of a table hold each other, admin holds nothing', async (t) => {
  const gives = (right: Right) =>
    (['basic', 'research', 'read', 'admin', 'list', 'write'] as const).filter((r) =>
      can([entry(user('A'), [right])], caller('A'), { right: r }),
    )
  t.strictSame(gives('basic'), ['basic'])
  t.strictSame(gives('research'), ['basic', 'research'])
  t.strictSame(gives('read'), ['basic', 'research', 'read'])
  t.strictSame(gives('admin'), ['admin'])
  t.strictSame(gives('list'), ['list'])
  t.strictSame(gives('write'), ['write'])
})

t.test('a service is named by its site, an attribute by its whole name', async (t) => {
  const demo = [entry({ kind: 'service', site })]
  t.ok(can(demo, service(site)))
  t.notOk(can(demo, service(SiteId.parse('demo2'))))
  t.notOk(can(demo, caller('demo')))
  const vo = [entry({ kind: 'fqan', fqan: '/vo/physicians' })]
  t.ok(can(vo, caller('Alice', { fqans: ['/vo', '/vo/physicians'] })))
  t.notOk(can(vo, caller('Alice', { fqans: ['/vo', '/vo/physicians/Role=x', '/vo/physician'] })))
})

t.test('groups hold members and groups, eight deep, and cycles end', async (t) => {
  const group = (name: string): Principal => ({ kind: 'group', name })
  const chained = new Map(
    [1, 2, 3, 4, 5, 6, 7, 8, 9].map(
      (i) => [`g${i}`, [group(`g${i + 1}`), user(`U${i}`)]] as [string, Principal[]],
    ),
  )
  t.ok(can([entry(group('g1'))], caller('U8'), { groups: chained }), 'the eighth group')
  t.notOk(can([entry(group('g1'))], caller('U9'), { groups: chained }), 'the ninth')
  const ring = new Map([
    ['a', [group('b')]],
    ['b', [group('a'), user('Alice')]],
  ] as [string, Principal[]][])
  t.ok(can([entry(group('a'))], caller('Alice'), { groups: ring }))
  t.notOk(can([entry(group('a'))], caller('Bob'), { groups: ring }))
  t.notOk(can([entry(group('a'))], caller('Alice')), 'a group nobody knows')
  const roundabout = new Map([
    ['a', [group('b'), group('z')]],
    ['b', [group('c')]],
    ['c', [group('d')]],
    ['d', [group('e')]],
    ['e', [group('f')]],
    ['f', [group('g')]],
    ['g', [group('h')]],
    ['h', [group('z')]],
    ['z', [user('Alice')]],
  ] as [string, Principal[]][])
  t.ok(
    can([entry(group('a'))], caller('Alice'), { groups: roundabout }),
    'the short way counts, not the long one',
  )
})

t.test('many groups within each other cost no more than their members', async (t) => {
  const names = Array.from({ length: 300 }, (_, i) => `g${i}`)
  const all: Principal[] = names.map((name) => ({ kind: 'group', name }))
  const groups = new Map(names.map((name) => [name, all]))
  const began = process.cpuUsage()
  t.notOk(can([entry({ kind: 'group', name: 'g0' })], caller('Alice'), { groups }))
  t.ok(process.cpuUsage(began).user < 2_000_000, 'less than 2 s of a processor')
})

t.test('an administrator is a key, of the roster or appointed', async (t) => {
  const nobody = caller('Ada Admin')
  t.notOk(isAdministrator(list(), nobody, roster), 'the name is not enough')
  t.ok(isAdministrator(list(), { ...nobody, spki: ada.identity.spki }, roster))
  t.ok(isAdministrator({ ...list(), administrators: [nobody.spki] }, nobody, roster))
})

t.test('a ban names users, services and groups', async (t) => {
  const bans = { ...list(entry({ kind: 'group', name: 'left' }, [])), object: 'ban' as const }
  t.ok(isMember(bans, caller('Alice'), new Map([['left', [user('Alice')]]])))
  t.notOk(isMember(bans, caller('Bob'), new Map([['left', [user('Alice')]]])))
})
