import t from 'tap'
import { spkiDigest, spkiOf } from '@mdm/core/crypto/spki'
import {
  appendStatement,
  emptyChain,
  signFounding,
  signStatement,
  verifyChain,
  type Change,
} from '@mdm/core/acl/statement'
import { identify } from '@mdm/core/identity/identify'
import { acceptRoster, rosterFingerprint, signRoster, type Roster } from '@mdm/core/identity/roster'
import { isAdministrator } from '@mdm/core/acl/evaluate'
import { certificate, CLIENT_AUTH, ed25519, name } from '../identity/certificates.ts'
import { after, caName, ISSUER } from '../identity/roster-samples.ts'
import {
  admins,
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

/** What the attacker holds: the site's signing key, the site's service key and the key of the user CA. */
const stolen = { signer: sample.signer, service: sample.service, caKey: sample.caKey }
const own = ed25519()
const chain = await extended(await founded(), [grantRead('Alice')])
const empty = emptyChain(sample.site, GUID, 'key')

/** The attacker's own key in a certificate that bears the administrator's name, by the real CA. */
const impostor = certificate({
  subject: name(['C', 'FR'], ['O', 'Hospital'], ['CN', 'Ada Admin']),
  issuer: caName,
  key: own,
  signer: stolen.caKey,
  ca: false,
  eku: [CLIENT_AUTH],
})

t.test('the attack is real: the impostor signs in under the name of the administrator', async (t) => {
  const caller = identify([impostor], roster, NOW)
  const [administrator] = roster.body.administrators
  t.equal(caller.dn, administrator!.dn)
  t.equal(caller.issuer, administrator!.issuer)
  t.equal(isAdministrator(chain, caller, roster), false, 'and is no administrator, since the key is another')
})

t.test('no key the attacker holds signs a change of an existing list', async (t) => {
  const changes: Change[] = [
    grantRead('Mallory'),
    { op: 'revoke', from: user('Alice') },
    { op: 'appoint', administrator: { ...roster.body.administrators[0]!, spki: spkiDigest(own) } },
    { op: 'found', entries: [{ ...admins, to: user('Mallory') }] },
  ]
  const kids = [undefined, stolen.signer.kid, spkiDigest(sample.administrator)]
  const places = [
    {},
    { seq: 0, prev: null },
    { seq: 1, prev: chain.statements[0] },
    { seq: chain.seq, prev: null },
  ]
  let tried = 0
  for (const key of [stolen.signer.key, stolen.service, own]) {
    for (const kid of kids) {
      for (const named of [spkiOf(key), spkiOf(sample.administrator), undefined]) {
        for (const change of changes) {
          for (const place of places) {
            const jws = await signAny(bodyAfter(chain, key, { change, key: named, ...place }), key, kid)
            const code = await codeOf(appendStatement(chain, jws, { roster, now: NOW }))
            if (!/^MDM_STATEMENT/.test(code)) t.fail(`${change.op} was ${code}`)
            const replay = [...chain.statements, jws]
            const replayed = await codeOf(
              verifyChain(replay, { roster, site: sample.site, scope: GUID, object: 'key' }),
            )
            if (!/^MDM_STATEMENT/.test(replayed)) t.fail(`${change.op} replayed was ${replayed}`)
            tried++
          }
        }
      }
    }
  }
  // P-256 key of the CA, as if it were one of an administrator.
  await t.rejects(extended(chain, [grantRead('Mallory')], credentialOf(stolen.caKey)), {
    code: 'MDM_STATEMENT',
  })
  t.equal(tried, 3 * 3 * 3 * 4 * 4)
})

t.test('a second founding is refused as a fork, so nobody starts the list anew', async (t) => {
  const jws = await signFounding({
    site: sample.site,
    guid: GUID,
    object: 'key',
    entries: [{ ...admins, to: user('Mallory') }],
    signer: stolen.signer,
    now: NOW,
  })
  await t.rejects(appendStatement(chain, jws, { roster, now: NOW }), { code: 'MDM_STATEMENT_FORKED' })
  t.equal(
    (await appendStatement(empty, jws, { roster, now: NOW })).seq,
    0,
    'for a new volume it is what the site may do',
  )
})

t.test('a roster of the attacker that makes him administrator is not accepted', async (t) => {
  const mallory = {
    dn: admins.to.kind === 'user' ? admins.to.dn : ISSUER,
    issuer: ISSUER,
    spki: spkiDigest(own),
  }
  const attempts: Partial<Roster>[] = [
    { administrators: [mallory] },
    { administrators: [...roster.body.administrators, mallory] },
    { formerAdministrators: [mallory] },
    { signingKeys: [...roster.body.signingKeys, { kid: 'mine', spki: spkiOf(own) }] },
    { formerSigningKeys: [{ kid: 'mine', spki: spkiOf(own) }] },
  ]
  for (const changes of attempts) {
    const jws = await signRoster(after(roster, changes), stolen.signer)
    await t.rejects(
      acceptRoster(roster, jws, {}),
      { code: 'MDM_ROSTER' },
      JSON.stringify(Object.keys(changes)),
    )
    await t.rejects(acceptRoster(roster, jws, { fingerprint: rosterFingerprint(roster.jws) }), {
      code: 'MDM_ROSTER',
    })
  }
})

t.test('the rosters the attacker can get accepted change no list and sign nothing', async (t) => {
  const accepted: Partial<Roster>[] = [
    { services: [{ spki: spkiOf(own) }] },
    { api: 'https://evil.example.org' },
    { userCas: [] },
  ]
  for (const changes of accepted) {
    const next = await acceptRoster(roster, await signRoster(after(roster, changes), stolen.signer), {})
    const replayed = await verifyChain(chain.statements, {
      roster: next,
      site: sample.site,
      scope: GUID,
      object: 'key',
    })
    t.strictSame(replayed.entries, chain.entries)
    const credential = credentialOf(own)
    const jws = await signStatement({ chain, change: grantRead('Mallory'), credential, now: NOW })
    await t.rejects(appendStatement(chain, jws, { roster: next, now: NOW }), { code: 'MDM_STATEMENT' })
  }
})

t.test('an old statement of the administrator cannot be played again, here or on another list', async (t) => {
  const longer = await extended(chain, [{ op: 'revoke', from: user('Alice') }])
  const granted = chain.statements[1]!
  t.equal(
    await appendStatement(longer, granted, { roster, now: NOW }),
    longer,
    'at its own place it is known and changes nothing',
  )
  t.notOk(longer.entries.some((e) => JSON.stringify(e.to) === JSON.stringify(user('Alice'))))
  const other = await founded('file')
  await t.rejects(appendStatement(other, granted, { roster, now: NOW }), { code: 'MDM_STATEMENT' })
})

async function codeOf(outcome: Promise<unknown>): Promise<string> {
  return await outcome.then(
    () => 'accepted',
    (error: { code?: string }) => String(error.code),
  )
}
