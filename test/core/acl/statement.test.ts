import t from 'tap'
import { spkiDigest } from '@mdm/core/crypto/spki'
import {
  appendStatement,
  emptyChain,
  signFounding,
  signStatement,
  verifyChain,
  type Change,
} from '@mdm/core/acl/statement'
import { signRoster, acceptRoster } from '@mdm/core/identity/roster'
import { ec, ed25519, rsa } from '../identity/certificates.ts'
import { after, sampleSite, trusted } from '../identity/roster-samples.ts'
import {
  ada,
  admins,
  appoint,
  bodyAfter,
  credentialOf,
  extended,
  founded,
  grantRead,
  GUID,
  NOW,
  roster,
  sample,
  signAny,
  user,
} from './statement-samples.ts'

const live = { roster, now: NOW }
const REFUSED = { code: 'MDM_STATEMENT' }
const STALE = { code: 'MDM_STATEMENT_STALE' }
const FORKED = { code: 'MDM_STATEMENT_FORKED' }
const key = sample.administrator

t.test(
  'the site founds a list, its administrator changes it, anyone with the roster replays it',
  async (t) => {
    const chain = await extended(await founded(), [
      grantRead('Alice'),
      grantRead('Bob'),
      { op: 'revoke', from: user('Alice') },
    ])
    t.equal(chain.seq, 3)
    t.strictSame(
      chain.entries.map((e) => e.to),
      [admins.to, user('Bob')],
    )
    const replayed = await verifyChain(chain.statements, {
      roster,
      site: sample.site,
      scope: GUID,
      object: 'key',
    })
    t.strictSame(replayed, chain)
    t.strictSame(
      await verifyChain([], { roster, site: sample.site, scope: GUID, object: 'key' }),
      emptyChain(sample.site, GUID, 'key'),
    )
  },
)

t.test('every kind of key a certificate may hold signs, but P-384', async (t) => {
  for (const [what, privateKey] of Object.entries({
    'P-256': ec(),
    'RSA 2048': rsa(2048),
    Ed25519: ed25519(),
  })) {
    const appointed = await extended(await founded(), [appoint(privateKey)])
    t.equal((await extended(appointed, [grantRead('Bob')], credentialOf(privateKey))).seq, 2, what)
  }
  await t.rejects(extended(await founded(), [grantRead('Bob')], credentialOf(ec('secp384r1'))), {
    code: 'MDM_CONFIG',
  })
})

t.test('the same statement again changes nothing, at the end and before it, also days later', async (t) => {
  const chain = await extended(await founded(), [grantRead('Alice'), grantRead('Bob')])
  const later = { roster, now: new Date('2027-01-01T00:00:00Z') }
  for (const jws of chain.statements) t.equal(await appendStatement(chain, jws, later), chain)
})

t.test('a statement is taken within five minutes of its time, early or late', async (t) => {
  const chain = await founded()
  const jws = await signStatement({ chain, change: grantRead('Alice'), credential: ada, now: NOW })
  const at = (ms: number) => appendStatement(chain, jws, { roster, now: new Date(NOW.getTime() + ms) })
  for (const ms of [-300_000, 0, 300_000]) t.equal((await at(ms)).seq, 1, `${ms} ms`)
  for (const ms of [-300_001, 300_001, 86_400_000]) await t.rejects(at(ms), STALE, `${ms} ms`)
})

t.test('a founding waits for a key server that is down, and is taken once', async (t) => {
  const { site, signer } = sample
  const sign = (entries = [admins]) =>
    signFounding({ site, guid: GUID, object: 'key', entries, signer, now: NOW })
  const jws = await sign()
  const empty = emptyChain(site, GUID, 'key')
  const chain = await appendStatement(empty, jws, { roster, now: new Date(NOW.getTime() + 86_400_000) })
  await t.rejects(
    appendStatement(empty, jws, { roster, now: new Date(NOW.getTime() - 600_000) }),
    STALE,
    'but not before it was made',
  )
  await t.rejects(appendStatement(chain, await sign([]), live), FORKED)
})

t.test('another statement at a place that is taken is a fork', async (t) => {
  const one = await founded()
  const two = await extended(one, [grantRead('Alice')])
  const other = await signStatement({ chain: one, change: grantRead('Mallory'), credential: ada, now: NOW })
  await t.rejects(appendStatement(two, other, live), FORKED)
  await t.rejects(
    appendStatement(await extended(two, [grantRead('Bob')]), other, live),
    FORKED,
    'also further back',
  )
  const forged = await signAny(bodyAfter(one, ed25519()), ed25519())
  await t.rejects(appendStatement(two, forged, live), REFUSED, 'what nobody signed is no fork')
})

t.test('a statement that does not follow the last one is stale', async (t) => {
  const chain = await extended(await founded(), [grantRead('Alice')])
  for (const changes of [{ seq: 3 }, { seq: 99 }, { prev: 'ab'.repeat(32) }, { prev: null }])
    await t.rejects(
      appendStatement(chain, await signAny(bodyAfter(chain, key, changes), key), live),
      STALE,
      JSON.stringify(changes),
    )
})

t.test(
  'a chain with a statement left out, exchanged, doubled or cut at its start does not replay',
  async (t) => {
    const { statements } = await extended(await founded(), [
      grantRead('Alice'),
      grantRead('Bob'),
      grantRead('Carol'),
    ])
    const [a, b, c, d] = statements as [string, string, string, string]
    const o = { roster, site: sample.site, scope: GUID, object: 'key' as const }
    for (const broken of [
      [a, c, d],
      [a, c, b, d],
      [a, b, b, c],
      [b, c, d],
      [a, b, d],
    ])
      await t.rejects(verifyChain(broken, o), { code: /^MDM_STATEMENT(_FORKED)?$/ })
    t.equal(
      (await verifyChain([a, b], o)).seq,
      1,
      'a shorter chain is valid in itself: readers compare heads',
    )
  },
)

t.test('a statement counts for the list it names and for no other', async (t) => {
  const chain = await founded()
  const other = '00000000-0000-4000-8000-000000000000'
  for (const changes of [
    { site: 'other' },
    { scope: other },
    { scope: 'site' },
    { object: 'file' },
    { object: 'ban' },
    { v: 2 },
    { extra: 1 },
  ])
    await t.rejects(
      appendStatement(chain, await signAny(bodyAfter(chain, key, changes), key), live),
      REFUSED,
      JSON.stringify(changes),
    )
  const elsewhere = sampleSite('other')
  const foreign = await trusted(elsewhere.body, elsewhere.signer)
  const jws = await signStatement({ chain, change: grantRead('Alice'), credential: ada, now: NOW })
  await t.rejects(
    appendStatement(chain, jws, { roster: foreign, now: NOW }),
    REFUSED,
    'the roster of another site',
  )
})

t.test('only administrators sign: the key counts, not the name', async (t) => {
  const chain = await founded()
  const stranger = ed25519()
  await t.rejects(extended(chain, [grantRead('Mallory')], credentialOf(stranger)), REFUSED, 'a stranger')
  await t.rejects(
    extended(chain, [grantRead('Mallory')], credentialOf(sample.service)),
    REFUSED,
    'the service',
  )
  await t.rejects(
    extended(chain, [grantRead('Mallory')], credentialOf(sample.signer.key)),
    REFUSED,
    'the signing key',
  )
  const borrowed = await signAny(bodyAfter(chain, key), stranger, spkiDigest(key))
  await t.rejects(appendStatement(chain, borrowed, live), REFUSED, 'the kid and key of an administrator')
  const unnamed = await signAny(bodyAfter(chain, key, { key: undefined }), key)
  await t.rejects(appendStatement(chain, unnamed, live), REFUSED, 'without its key')
  for (const jws of ['', 'a.b.c', 'x'.repeat(70_000)])
    await t.rejects(appendStatement(chain, jws, live), REFUSED)
})

t.test('an appointed administrator counts in that chain, from then on and until dismissed', async (t) => {
  const bo = ed25519()
  const one = await founded()
  await t.rejects(extended(one, [grantRead('x')], credentialOf(bo)), REFUSED)
  const two = await extended(one, [appoint(bo)])
  const three = await extended(two, [grantRead('x')], credentialOf(bo))
  await t.rejects(
    extended(await founded('file', [{ ...admins }]), [grantRead('x')], credentialOf(bo)),
    REFUSED,
    'not in another',
  )
  const four = await extended(three, [{ op: 'dismiss', spki: spkiDigest(bo) }])
  await t.rejects(extended(four, [grantRead('y')], credentialOf(bo)), REFUSED)
  t.equal(
    (await verifyChain(four.statements, { roster, site: sample.site, scope: GUID, object: 'key' })).head,
    four.head,
  )
})

t.test('the last administrator cannot be removed', async (t) => {
  const chain = await founded()
  await t.rejects(extended(chain, [{ op: 'dismiss', spki: ada.identity.spki }]), REFUSED, 'one of the roster')
  await t.rejects(extended(chain, [{ op: 'dismiss', spki: 'ab'.repeat(32) }]), REFUSED, 'one who never was')
  await t.rejects(extended(chain, [{ op: 'revoke', from: admins.to }]), REFUSED, 'the last entry with admin')
  const expiring: Change = {
    op: 'grant',
    entry: { ...admins, to: user('Bo'), expires: '2027-01-01T00:00:00Z' },
  }
  await t.rejects(
    extended(chain, [expiring, { op: 'revoke', from: admins.to }]),
    REFUSED,
    'one that ends does not replace it',
  )
  const lasting: Change = { op: 'grant', entry: { ...admins, to: user('Bo') } }
  t.equal((await extended(chain, [lasting, { op: 'revoke', from: admins.to }])).entries.length, 1)
})

t.test('an administrator who left the roster signs nothing new; what he signed still counts', async (t) => {
  const chain = await extended(await founded(), [grantRead('Alice')])
  const [left] = roster.body.administrators
  const heir = { ...left!, spki: spkiDigest(ed25519()) }
  const o = { site: sample.site, scope: GUID, object: 'key' as const }
  const follow = async (former: (typeof heir)[]) =>
    await trusted({ ...sample.body, administrators: [heir], formerAdministrators: former }, sample.signer)
  const next = await follow([left!])
  t.equal((await verifyChain(chain.statements, { roster: next, ...o })).head, chain.head)
  const jws = await signStatement({ chain, change: grantRead('Mallory'), credential: ada, now: NOW })
  await t.rejects(appendStatement(chain, jws, { roster: next, now: NOW }), REFUSED)
  await t.rejects(
    verifyChain(chain.statements, { roster: await follow([]), ...o }),
    REFUSED,
    'one who is struck out altogether counts nowhere',
  )
})

t.test('a former signing key keeps what it founded and founds nothing new', async (t) => {
  const fresh = ed25519()
  const entry = { kid: 'next', spki: credentialOf(fresh).identity.spkiDer }
  const body = { ...sample.body, signingKeys: [entry], formerSigningKeys: sample.body.signingKeys }
  const next = await trusted(body, { kid: 'next', key: fresh })
  const { statements } = await founded()
  const o = { site: sample.site, scope: GUID, object: 'key' as const }
  t.equal((await verifyChain(statements, { roster: next, ...o })).seq, 0)
  await t.rejects(
    appendStatement(emptyChain(o.site, GUID, 'key'), statements[0]!, { roster: next, now: NOW }),
    REFUSED,
  )
})

t.test('only the site founds the list of a volume, and only as its first statement', async (t) => {
  const empty = emptyChain(sample.site, GUID, 'key')
  const found = (by: typeof key) =>
    signAny(bodyAfter(empty, by, { change: { op: 'found', entries: [admins] } }), by)
  await t.rejects(appendStatement(empty, await found(key), live), REFUSED, 'an administrator founds')
  await t.rejects(appendStatement(empty, await found(ed25519()), live), REFUSED, 'a stranger founds')
  await t.rejects(
    appendStatement(empty, await signAny(bodyAfter(empty, key), key), live),
    REFUSED,
    'a grant comes first',
  )
  const chain = await founded()
  for (const by of [sample.signer.key, key]) {
    const again = await signAny(bodyAfter(chain, by, { change: { op: 'found', entries: [] } }), by)
    await t.rejects(appendStatement(chain, again, live), REFUSED, 'a second founding further on')
  }
})

t.test('the roster of today decides: a later one that adds nobody changes no list', async (t) => {
  const chain = await extended(await founded(), [grantRead('Alice')])
  const next = await acceptRoster(
    roster,
    await signRoster(after(roster, { api: 'https://new.example.org' }), sample.signer),
    {},
  )
  t.strictSame(
    await verifyChain(chain.statements, { roster: next, site: sample.site, scope: GUID, object: 'key' }),
    chain,
  )
})
