import t from 'tap'
import { signJws } from '@mdm/core/crypto/jws'
import { spkiDigest, spkiOf } from '@mdm/core/crypto/spki'
import { parseDn } from '@mdm/core/identity/dn'
import {
  acceptRoster,
  openRoster,
  rosterFingerprint,
  signRoster,
  vouchTls,
  type Roster,
} from '@mdm/core/identity/roster'
import { certificate, ec, ed25519, name, rsa } from './certificates.ts'
import { after, ISSUER, keyServerOf, sampleSite, trusted } from './roster-samples.ts'

const REFUSED = { code: 'MDM_ROSTER' }
const sample = sampleSite()
const { body, signer } = sample

t.test('a first roster is accepted by its fingerprint and in no other way', async (t) => {
  const jws = await signRoster(body, signer)
  const fingerprint = rosterFingerprint(jws)
  t.match(fingerprint, /^sha256:([0-9a-f]{4}-){15}[0-9a-f]{4}$/)
  const roster = await acceptRoster(undefined, jws, { fingerprint })
  t.equal(roster.body.site, 'demo')
  t.strictSame([...roster.administrators], [spkiDigest(sample.administrator)])
  t.ok(
    (
      await acceptRoster(undefined, `${jws}\n`, {
        fingerprint: fingerprint.toUpperCase().replaceAll('-', ' '),
      })
    ).body,
  )
  await t.rejects(acceptRoster(undefined, jws, {}), REFUSED)
  await t.rejects(acceptRoster(undefined, jws, { fingerprint: fingerprint.replace(/.$/, 'x') }), REFUSED)
  await t.rejects(acceptRoster(undefined, jws, { fingerprint: fingerprint.slice(0, 20) }), REFUSED)
  await t.rejects(acceptRoster(undefined, jws, { fingerprint: '' }), REFUSED)
})

t.test('an altered roster is refused, whatever was altered', async (t) => {
  const jws = await signRoster(body, signer)
  const [header, payload, signature] = jws.split('.') as [string, string, string]
  const other = Buffer.from(JSON.stringify({ ...body, api: 'https://evil.example.org' })).toString(
    'base64url',
  )
  for (const altered of [
    `${header}.${other}.${signature}`,
    `${header}.${payload}.${signature.slice(0, -4)}AAAA`,
    jws.slice(1),
    '',
    'x.y.z',
  ])
    await t.rejects(openRoster(altered), REFUSED)
})

t.test('a roster signed by a key that it does not name is refused', async (t) => {
  const key = ed25519()
  await t.rejects(openRoster(await signRoster(body, { kid: spkiDigest(key), key })), REFUSED)
  await t.rejects(openRoster(await signRoster(body, { kid: signer.kid, key })), REFUSED)
  await t.rejects(
    openRoster(await signJws(body, signer.key, { typ: 'mdm-manifest+jwt', kid: signer.kid })),
    REFUSED,
  )
})

t.test('a roster that contradicts itself is refused', async (t) => {
  const [first, second, third] = body.keyServers as [
    Roster['keyServers'][0],
    Roster['keyServers'][0],
    Roster['keyServers'][0],
  ]
  const administrator = body.administrators[0]!
  const foreignVoucher = { spki: second.tls[0]!.spki, voucher: vouchTls(ed25519(), second.tls[0]!.spki) }
  const leaf = certificate({ subject: name(['O', 'Hospital'], ['CN', 'x']), key: ec() }).raw.toString(
    'base64',
  )
  const weak = certificate({
    subject: name(['O', 'Hospital'], ['CN', 'x']),
    key: rsa(1024),
    ca: true,
  }).raw.toString('base64')
  const contradictions: Record<string, Partial<Roster>> = {
    'seq 1 with a predecessor': { prev: 'ab'.repeat(32) },
    'seq 2 without one': { seq: 2 },
    'more shares needed than servers': { m: 4 },
    'every share needed': { m: 3 },
    'another count of servers': { n: 4 },
    'one of two': { m: 1 },
    'the same key server twice': { keyServers: [first, second, first] },
    'an id that is not the digest of the key': { keyServers: [{ ...first, id: second.id }, second, third] },
    'a TLS key without a voucher of its server': {
      keyServers: [first, { ...second, tls: [foreignVoucher] }, third],
    },
    'the voucher of another TLS key': {
      keyServers: [first, { ...second, tls: [{ ...second.tls[0]!, spki: spkiOf(ed25519()) }] }, third],
    },
    'a key server known by an RSA key': {
      keyServers: [{ ...first, key: spkiOf(rsa(2048)) }, second, third],
    },
    'no administrator': { administrators: [] },
    'the service as administrator': {
      administrators: [{ ...administrator, spki: spkiDigest(sample.service) }],
    },
    'the signing key as administrator': { administrators: [{ ...administrator, spki: signer.kid }] },
    'the same administrator twice': { administrators: [administrator, administrator] },
    'the service on the key of a key server': { services: [{ spki: first.tls[0]!.spki }] },
    'a CA that is none': { userCas: [{ certificate: leaf, nameSpaces: body.userCas[0]!.nameSpaces }] },
    'a CA with a weak key': { userCas: [{ certificate: weak, nameSpaces: body.userCas[0]!.nameSpaces }] },
    'a CA for every name': { userCas: [{ ...body.userCas[0]!, nameSpaces: [] }] },
    'one CA, two widths': {
      userCas: [body.userCas[0]!, { ...body.userCas[0]!, nameSpaces: [parseDn('C=FR')] }],
    },
    'an unknown field': { extra: 1 } as Partial<Roster>,
    http: { api: 'http://site.example.org' },
  }
  for (const [what, part] of Object.entries(contradictions)) {
    const jws = await signJws({ ...body, ...part }, signer.key, { typ: 'mdm-roster+jwt', kid: signer.kid })
    await t.rejects(openRoster(jws), REFUSED, what)
  }
})

t.test('a later roster follows from the one held, without the operator', async (t) => {
  const current = await trusted(body, signer)
  const next = await signRoster(after(current, { api: 'https://new.example.org' }), signer)
  const accepted = await acceptRoster(current, next, {})
  t.equal(accepted.body.seq, 2)
  t.equal((await acceptRoster(accepted, next, {})).digest, accepted.digest, 'offered again it is fine')
  t.equal((await openRoster(next)).digest, accepted.digest, 'and it opens from disk')
  await t.rejects(acceptRoster(accepted, current.jws, {}), REFUSED, 'no way back')
})

t.test('a roster that does not follow from the one held is refused, even with its fingerprint', async (t) => {
  const current = await trusted(body, signer)
  const offer = async (changes: Partial<Roster>) => await signRoster(after(current, changes), signer)
  const refused: Record<string, string> = {
    'another site': await offer({ site: sampleSite('other').site }),
    'a place left out': await offer({ seq: 3 }),
    'another predecessor': await offer({ prev: 'ab'.repeat(32) }),
    'a second roster 1': await signRoster({ ...body, api: 'https://evil.example.org' }, signer),
  }
  for (const [what, jws] of Object.entries(refused)) {
    await t.rejects(acceptRoster(current, jws, {}), REFUSED, what)
    await t.rejects(
      acceptRoster(current, jws, { fingerprint: rosterFingerprint(jws) }),
      REFUSED,
      `${what}, with fingerprint`,
    )
  }
})

t.test(
  'a later roster signed by a new key alone is refused: the old key must vouch for it first',
  async (t) => {
    const current = await trusted(body, signer)
    const key = ed25519()
    const entry = { kid: spkiDigest(key), spki: spkiOf(key) }
    const usurped = await signRoster(after(current, { signingKeys: [entry] }), { kid: entry.kid, key })
    await t.rejects(acceptRoster(current, usurped, { fingerprint: rosterFingerprint(usurped) }), REFUSED)
    const both = await signRoster(after(current, { signingKeys: [...body.signingKeys, entry] }), signer)
    const second = await acceptRoster(current, both, { fingerprint: rosterFingerprint(both) })
    const only = after(second, { signingKeys: [entry], formerSigningKeys: body.signingKeys })
    const third = await acceptRoster(second, await signRoster(only, { kid: entry.kid, key }), {})
    t.strictSame([...third.signing], [entry.kid])
    t.strictSame(
      third.signers.map((s) => s.kid),
      [entry.kid, signer.kid],
      'the old key still verifies what it signed',
    )
    const back = await signRoster(
      after(third, { signingKeys: body.signingKeys, formerSigningKeys: [] }),
      signer,
    )
    await t.rejects(
      acceptRoster(third, back, { fingerprint: rosterFingerprint(back) }),
      REFUSED,
      'a former key signs no roster',
    )
  },
)

t.test('more authority needs the fingerprint again, less does not', async (t) => {
  const current = await trusted(
    {
      ...body,
      administrators: [
        ...body.administrators,
        { dn: parseDn('CN=Bo,O=Hospital,C=FR'), issuer: ISSUER, spki: 'cd'.repeat(32) },
      ],
    },
    signer,
  )
  const stranger = { dn: parseDn('CN=Eve,O=Hospital,C=FR'), issuer: ISSUER, spki: 'ee'.repeat(32) }
  const key = ed25519()
  const caKey = ec()
  const newCa = certificate({ subject: name(['CN', 'Other CA']), key: caKey, ca: true }).raw.toString(
    'base64',
  )
  const [ca] = current.body.userCas as [Roster['userCas'][0]]
  const more: Record<string, Partial<Roster>> = {
    'an administrator': { administrators: [...current.body.administrators, stranger] },
    'an administrator under an old name': {
      administrators: [{ ...current.body.administrators[0]!, spki: stranger.spki }],
    },
    'a former administrator who never was one': { formerAdministrators: [stranger] },
    'a CA': { userCas: [ca, { certificate: newCa, nameSpaces: ca.nameSpaces }] },
    'another CA in the place of one': { userCas: [{ certificate: newCa, nameSpaces: ca.nameSpaces }] },
    'a wider name space': { userCas: [{ ...ca, nameSpaces: [parseDn('C=FR')] }] },
    'another name space': { userCas: [{ ...ca, nameSpaces: [...ca.nameSpaces, parseDn('O=Lab,C=FR')] }] },
    'a signing key': { signingKeys: [...body.signingKeys, { kid: 'next', spki: spkiOf(key) }] },
    'a key server': {
      keyServers: [...body.keyServers, keyServerOf(ed25519(), [ed25519()], 9)],
      n: body.n + 1,
    },
    'another key server in the place of one': {
      keyServers: [...body.keyServers.slice(1), keyServerOf(ed25519(), [ed25519()], 9)],
    },
    'an administrator struck out': { administrators: [current.body.administrators[0]!] },
    'a former signing key that never was one': { formerSigningKeys: [{ kid: 'old', spki: spkiOf(key) }] },
  }
  for (const [what, changes] of Object.entries(more)) {
    const jws = await signRoster(after(current, changes), signer)
    await t.rejects(acceptRoster(current, jws, {}), REFUSED, what)
    t.equal(
      (await acceptRoster(current, jws, { fingerprint: rosterFingerprint(jws) })).body.seq,
      2,
      `${what}, by the operator`,
    )
  }
  const [kept, leaving] = current.body.administrators
  const less: Record<string, Partial<Roster>> = {
    'an administrator leaves': { administrators: [kept!], formerAdministrators: [leaving!] },
    'a narrower name space': { userCas: [{ ...ca, nameSpaces: [parseDn('OU=Radiology,O=Hospital,C=FR')] }] },
    'no user CA': { userCas: [] },
  }
  for (const [what, changes] of Object.entries(less))
    t.ok(await acceptRoster(current, await signRoster(after(current, changes), signer), {}), what)
})

t.test('a key server that renews its TLS key keeps its id, under a new voucher', async (t) => {
  const current = await trusted(body, signer)
  const { identity } = sample.keyServers[0]!
  const renewed = keyServerOf(identity, [ed25519()], 0)
  const keyServers = [renewed, ...body.keyServers.slice(1)]
  const next = await acceptRoster(current, await signRoster(after(current, { keyServers }), signer), {})
  t.equal(next.keyServer(body.keyServers[0]!.id).tls[0]!.spki, renewed.tls[0]!.spki)
  const forged = { ...renewed, tls: [{ spki: spkiOf(ed25519()), voucher: renewed.tls[0]!.voucher }] }
  const attack = await signRoster(
    after(current, { keyServers: [forged, ...body.keyServers.slice(1)] }),
    signer,
  )
  await t.rejects(acceptRoster(current, attack, {}), REFUSED, 'the site cannot vouch in its place')
  t.throws(() => next.keyServer('00'.repeat(32)), REFUSED)
})
