import t from 'tap'
import {
  appendStatement,
  emptyChain,
  signFounding,
  signStatement,
  verifyChain,
  type Change,
} from '@mdm/core/acl/statement'
import type { AclObject } from '@mdm/core/wire/common'
import { ed25519 } from '../identity/certificates.ts'
import { ISSUER } from '../identity/roster-samples.ts'
import {
  ada,
  admins,
  appoint,
  bodyAfter,
  credentialOf,
  extended,
  founded,
  GUID,
  NOW,
  roster,
  sample,
  signAny,
  user,
} from './statement-samples.ts'

const live = { roster, now: NOW }
const REFUSED = { code: 'MDM_STATEMENT' }
const key = sample.administrator

t.test('bans and groups of the site begin with a statement of any administrator', async (t) => {
  const changes: [AclObject, Change, Change][] = [
    ['ban', { op: 'ban', who: user('Mallory') }, { op: 'unban', who: user('Mallory') }],
    ['group:readers', { op: 'join', member: user('Alice') }, { op: 'leave', member: user('Alice') }],
  ]
  for (const [object, add, remove] of changes) {
    const empty = emptyChain(sample.site, 'site', object)
    const one = await extended(empty, [add, add])
    t.equal(one.entries.length, 1, `${object}: twice is once`)
    t.strictSame((await extended(one, [remove])).entries, [])
    await t.rejects(extended(empty, [add], credentialOf(ed25519())), REFUSED)
    await t.rejects(
      extended(empty, [add], credentialOf(sample.signer.key)),
      REFUSED,
      'the site bans nobody and groups nobody',
    )
    const founding = await signAny(
      bodyAfter(empty, sample.signer.key, { change: { op: 'found', entries: [] } }),
      sample.signer.key,
    )
    await t.rejects(appendStatement(empty, founding, live), REFUSED)
    const replay = { roster, site: sample.site, scope: 'site' as const, object }
    t.equal((await verifyChain(one.statements, replay)).head, one.head)
    const bo = ed25519()
    t.equal(
      (await extended(await extended(one, [appoint(bo)]), [remove], credentialOf(bo))).entries.length,
      0,
      'they have administrators of their own',
    )
  }
})

t.test('each object takes its own changes and rights only', async (t) => {
  const changes: Record<string, object> = {
    list: { op: 'grant', entry: { ...admins, rights: ['list'] } },
    read: { op: 'grant', entry: { ...admins, rights: ['read'] } },
    write: { op: 'grant', entry: { ...admins, rights: ['write'] } },
    basic: { op: 'grant', entry: { ...admins, rights: ['basic'] } },
    research: { op: 'grant', entry: { ...admins, rights: ['research'] } },
    admin: { op: 'grant', entry: { ...admins, rights: ['admin'] } },
    none: { op: 'grant', entry: { ...admins, rights: [] } },
    twice: { op: 'grant', entry: { ...admins, rights: ['read', 'read'] } },
    revoke: { op: 'revoke', from: user('x') },
    appoint: appoint(ed25519()),
    ban: { op: 'ban', who: user('x') },
    unban: { op: 'unban', who: user('x') },
    join: { op: 'join', member: user('x') },
    leave: { op: 'leave', member: user('x') },
  }
  const taken: Partial<Record<AclObject, string>> = {
    file: 'list read write admin revoke appoint',
    key: 'read admin revoke appoint',
    'metadata:patient': 'read basic research admin revoke appoint',
    'metadata:protocol': 'read basic research admin revoke appoint',
    ban: 'appoint ban unban',
    'group:a': 'appoint join leave',
  }
  for (const [object, ops] of Object.entries(taken) as [AclObject, string][]) {
    const volume = object !== 'ban' && !object.startsWith('group:')
    const chain = volume ? await founded(object) : emptyChain(sample.site, 'site', object)
    const accepted: string[] = []
    for (const [what, change] of Object.entries(changes)) {
      const jws = await signAny(bodyAfter(chain, key, { change }), key)
      const code = await appendStatement(chain, jws, live).then(
        () => 'taken',
        (e: { code: string }) => e.code,
      )
      if (code === 'taken') accepted.push(what)
      else t.equal(code, 'MDM_STATEMENT', `${object}: ${what}`)
    }
    t.strictSame(accepted.toSorted(), ops.split(' ').toSorted(), object)
  }
})

t.test('a change that is not exactly one of the known is refused', async (t) => {
  const chain = await founded()
  const entry = { to: user('x'), rights: ['read'], versions: 'all' }
  const changes: object[] = [
    { op: 'grant', entry: { ...entry, deny: true } },
    { op: 'grant', entry: { ...entry, versions: [] } },
    { op: 'grant', entry: { ...entry, versions: [0] } },
    { op: 'grant', entry: { ...entry, versions: [1.5] } },
    { op: 'grant', entry: { ...entry, expires: 'tomorrow' } },
    { op: 'grant', entry: { ...entry, rights: ['READ'] } },
    { op: 'grant', entry: { ...entry, to: { kind: 'user', dn: 'CN=x,O=Hospital', issuer: ISSUER } } },
    { op: 'grant', entry: { ...entry, to: { kind: 'user', dn: 'CN=x' } } },
    { op: 'grant', entry: { ...entry, to: { kind: 'everyone' } } },
    { op: 'grant', entry: { ...entry, to: { kind: 'group', name: 'a*' } } },
    { op: 'grant', entry },
    { op: 'revoke' },
    { op: 'appoint', administrator: { spki: 'ab' } },
    { op: 'drop' },
  ]
  const outcomes = await Promise.all(
    changes.map(async (change) =>
      appendStatement(chain, await signAny(bodyAfter(chain, key, { change }), key), live).then(
        () => 'taken',
        (e: { code: string }) => e.code,
      ),
    ),
  )
  t.strictSame(
    outcomes,
    changes.map((_, i) => (i === 10 ? 'taken' : 'MDM_STATEMENT')),
    'only the plain grant is taken',
  )
})

t.test('the end of a statement ends its grant, and the sooner end holds', async (t) => {
  const chain = await founded()
  const [soon, late] = ['2027-01-01T00:00:00Z', '2028-01-01T00:00:00Z']
  const entry = { to: user('x'), rights: ['read' as const], versions: 'all' as const }
  const ends: [string | undefined, string, string][] = [
    [undefined, soon, soon],
    [late, soon, soon],
    [soon, late, soon],
  ]
  for (const [own, statement, expected] of ends) {
    const change: Change = { op: 'grant', entry: own === undefined ? entry : { ...entry, expires: own } }
    const jws = await signStatement({ chain, change, credential: ada, now: NOW, expires: statement })
    t.equal((await appendStatement(chain, jws, live)).entries.at(-1)?.expires, expected)
  }
  await t.rejects(
    signStatement({ chain, change: appoint(ed25519()), credential: ada, now: NOW, expires: soon }),
    REFUSED,
  )
})

t.test('what no server would take is not signed', async (t) => {
  const chain = await founded()
  const sign = (change: Change) => signStatement({ chain, change, credential: ada, now: NOW })
  await t.rejects(sign({ op: 'ban', who: user('x') }), REFUSED)
  await t.rejects(sign({ op: 'revoke', from: admins.to }), REFUSED)
  const { site, signer } = sample
  const wrong = [{ ...admins, rights: ['basic' as const] }]
  await t.rejects(
    signFounding({ site, guid: GUID, object: 'key', entries: wrong, signer, now: NOW }),
    REFUSED,
  )
})
