import t from 'tap'
import { applyChange } from '@mdm/core/acl/apply-change'
import { allowedVersions, allows } from '@mdm/core/acl/evaluate'
import type { Principal } from '@mdm/core/acl/principal'
import type { Change, Right } from '@mdm/core/acl/statement'
import { parseDn } from '@mdm/core/identity/dn'
import type { Caller } from '@mdm/core/identity/identify'
import type { AclObject } from '@mdm/core/wire/common'
import { SiteId } from '@mdm/core/names'
import { rightsOf } from '@mdm/core/acl/statement'

/**
 * A naive model: it keeps every grant as plain text, drops those revoked later, and asks all of them. It shares no code with
 * what it judges but the vocabulary.
 */
interface Grant {
  to: string
  rights: string[]
  versions: 'all' | number[]
  ends: number
}

const HISTORIES = 3000
const DAY = 86_400_000
const T0 = Date.parse('2026-11-24T00:00:00Z')
const CAS = ['CN=CA 1', 'CN=CA 2'].map(parseDn)
const NAMES = ['CN=a,O=x', 'CN=b,O=x', 'CN=a', 'CN=1,CN=a,O=x'].map(parseDn)
const SITES = ['demo', 'other'].map((s) => SiteId.parse(s))
const FQANS = ['/vo', '/vo/a', '/vo/a/Role=r']
const GROUPS = ['g', 'h', 'i']
const OBJECTS: AclObject[] = ['file', 'key', 'metadata:image']

t.test(`${HISTORIES} random histories are judged as by a naive model`, async (t) => {
  const random = generator(7)
  let [allowed, denied] = [0, 0]
  for (let i = 0; i < HISTORIES; i++) {
    const object = pick(OBJECTS, random)
    const changes = Array.from({ length: 1 + random(8) }, () => anyChange(object, random))
    let chain = { scope: 'site', object, entries: [], administrators: [] } as Parameters<typeof allows>[0]
    for (const { change, expires } of changes) {
      chain = { ...chain, ...applyChange(chain, { object, change, ...(expires && { expires }) }) }
    }
    const groups = new Map(
      GROUPS.map((g) => [g, Array.from({ length: random(3) }, () => anyPrincipal(random))]),
    )
    for (let j = 0; j < 10; j++) {
      const caller = anyCaller(random)
      const right = pick(rightsOf(object), random)
      const [version, now] = [1 + random(3), new Date(T0 + random(10) * DAY)]
      const expected = modelAllows(replayed(changes), caller, right, version, now, groups)
      const actual = allows(chain, caller, right, { version, now, groups })
      if (actual !== expected)
        t.fail(
          JSON.stringify({ object, changes, groups: [...groups], caller, right, version, now, expected }),
        )
      const versions = allowedVersions(chain, caller, right, { now, groups })
      if (actual !== (versions === 'all' || versions.includes(version))) t.fail('versions say something else')
      if (expected) allowed++
      else denied++
    }
  }
  t.ok(allowed > HISTORIES && denied > HISTORIES, `${allowed} allowed, ${denied} denied`)
})

function replayed(changes: readonly Planned[]): Grant[] {
  let grants: Grant[] = []
  for (const { change, expires } of changes) {
    if (change.op === 'revoke') {
      const gone = text(change.from)
      grants = grants.filter((g) => g.to !== gone)
    }
    if (change.op !== 'grant') continue
    const { to, rights, versions, expires: own } = change.entry
    const ends = Math.min(...[own, expires].map((e) => (e === undefined ? Infinity : Date.parse(e))))
    grants.push({ to: text(to), rights, versions, ends })
  }
  return grants
}

function modelAllows(
  grants: Grant[],
  caller: Caller,
  right: Right,
  version: number,
  now: Date,
  groups: Map<string, Principal[]>,
): boolean {
  const mine = new Set(
    caller.kind !== 'user'
      ? [`service ${caller.site}`]
      : [`user ${caller.dn} < ${caller.issuer}`, ...caller.fqans.map((f) => `fqan ${f}`)],
  )
  // Whoever is in a group is that group, too: said until nothing is new. Three groups are never deeper than eight.
  for (let before = -1; before !== mine.size;) {
    before = mine.size
    for (const [name, members] of groups)
      if (members.some((m) => mine.has(text(m)))) mine.add(`group ${name}`)
  }
  const enough: Record<string, string[]> = {
    basic: ['basic', 'research', 'read'],
    research: ['research', 'read'],
  }
  return grants.some(
    (g) =>
      mine.has(g.to) &&
      g.rights.some((r) => (enough[right] ?? [right]).includes(r)) &&
      (g.versions === 'all' || g.versions.includes(version)) &&
      now.getTime() < g.ends,
  )
}

function text(p: Principal): string {
  if (p.kind === 'user') return `user ${p.dn} < ${p.issuer}`
  if (p.kind === 'service') return `service ${p.site}`
  return p.kind === 'group' ? `group ${p.name}` : `fqan ${p.fqan}`
}

interface Planned {
  change: Change
  expires?: string
}

function anyChange(object: AclObject, random: Random): Planned {
  if (random(4) === 0) return { change: { op: 'revoke', from: anyPrincipal(random) } }
  const rights = rightsOf(object).filter((r) => r !== 'admin' && random(2) === 0)
  const when = () => new Date(T0 + random(10) * DAY).toISOString()
  const entry = {
    to: anyPrincipal(random),
    rights: rights.length === 0 ? [rightsOf(object)[0]!] : rights,
    versions: random(2) === 0 ? ('all' as const) : [1 + random(3), 1 + random(3)],
    ...(random(3) === 0 ? { expires: when() } : {}),
  }
  return { change: { op: 'grant', entry }, ...(random(4) === 0 ? { expires: when() } : {}) }
}

function anyPrincipal(random: Random): Principal {
  switch (random(5)) {
    case 0:
      return { kind: 'service', site: pick(SITES, random) }
    case 1:
      return { kind: 'group', name: pick(GROUPS, random) }
    case 2:
      return { kind: 'fqan', fqan: pick(FQANS, random) }
    default:
      return { kind: 'user', dn: pick(NAMES, random), issuer: pick(CAS, random) }
  }
}

function anyCaller(random: Random): Caller {
  const common = {
    dn: pick(NAMES, random),
    issuer: pick(CAS, random),
    spki: 'ab'.repeat(32),
    notAfter: new Date(T0 + 99 * DAY),
  }
  if (random(4) === 0) return { kind: 'service', site: pick(SITES, random), ...common }
  return { kind: 'user', ...common, fqans: FQANS.filter(() => random(3) === 0) }
}

type Random = (below: number) => number

function generator(seed: number): Random {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

function pick<T>(from: readonly T[], random: Random): T {
  return from[random(from.length)]!
}
