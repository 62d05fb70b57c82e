import { createHash, createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { jwsDigest, MAX_JWS, peekJws, signJws, verifyJws } from '@mdm/core/crypto/jws'
import { keyFromSpki, spkiDigest, spkiOf } from '@mdm/core/crypto/spki'
import t from 'tap'

const ed = generateKeyPairSync('ed25519')
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const rsa1024 = generateKeyPairSync('rsa', { modulusLength: 1024 })
const o = { typ: 'mdm-test+jwt', kid: 'k1' }
const payload = { v: 1, text: 'é', list: [1, 2] }

const part = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
const headerOf = (jws: string): unknown => JSON.parse(Buffer.from(jws.split('.')[0]!, 'base64url').toString())
const signed = (header: object, key: KeyObject, body: unknown = payload) => {
  const input = `${part(header)}.${part(body)}`
  return `${input}.${sign(null, Buffer.from(input), key).toString('base64url')}`
}

for (const [alg, pair] of [
  ['EdDSA', ed],
  ['ES256', p256],
  ['PS256', rsa],
] as const) {
  t.test(`a JWS signed with ${alg} verifies with its key and with no other`, async (t) => {
    const jws = await signJws(payload, pair.privateKey, o)
    t.same(headerOf(jws), { alg, ...o })
    t.same(await verifyJws(jws, pair.publicKey, o.typ), payload)
    t.same(peekJws(jws), { ...o, payload })
    for (const other of [ed, p256, rsa].filter((p) => p !== pair)) {
      await t.rejects(verifyJws(jws, other.publicKey, o.typ), { code: 'MDM_INTEGRITY' })
    }
    const stranger = generateKeyPairSync('ed25519').publicKey
    await t.rejects(verifyJws(jws, stranger, o.typ), { code: 'MDM_INTEGRITY' })
  })
}

t.test('a JWS of one kind is not taken for another kind', async (t) => {
  const jws = await signJws(payload, ed.privateKey, o)
  await t.rejects(verifyJws(jws, ed.publicKey, 'mdm-other+jwt'), { code: 'MDM_INTEGRITY' })
})

t.test('no algorithm but the one of the key is believed', async (t) => {
  const none = `${part({ alg: 'none', ...o })}.${part(payload)}.`
  await t.rejects(verifyJws(none, ed.publicKey, o.typ), { code: 'MDM_INTEGRITY' })
  const input = `${part({ alg: 'HS256', ...o })}.${part(payload)}`
  const secret = rsa.publicKey.export({ format: 'pem', type: 'spki' })
  const confused = `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
  await t.rejects(verifyJws(confused, rsa.publicKey, o.typ), { code: 'MDM_INTEGRITY' })
  const rs256 = `${part({ alg: 'RS256', ...o })}.${part(payload)}`
  const pkcs1 = `${rs256}.${sign('sha256', Buffer.from(rs256), rsa.privateKey).toString('base64url')}`
  await t.rejects(verifyJws(pkcs1, rsa.publicKey, o.typ), { code: 'MDM_INTEGRITY' })
  await t.rejects(verifyJws(signed({ alg: 'Ed25519', ...o }, ed.privateKey), ed.publicKey, o.typ), {
    code: 'MDM_INTEGRITY',
  })
})

t.test('headers beside alg, typ and kid are refused, though the signature is right', async (t) => {
  const base = { alg: 'EdDSA', ...o }
  t.same(
    await verifyJws(signed(base, ed.privateKey), ed.publicKey, o.typ),
    payload,
    'the helper of this test signs well',
  )
  for (const extra of [
    { crit: ['b64'], b64: false },
    { jwk: ed.publicKey.export({ format: 'jwk' }) },
    { jku: 'https://x' },
    { x5c: [] },
  ]) {
    await t.rejects(verifyJws(signed({ ...base, ...extra }, ed.privateKey), ed.publicKey, o.typ), {
      code: 'MDM_INTEGRITY',
    })
  }
  for (const missing of ['alg', 'typ', 'kid'] as const) {
    const { [missing]: _, ...rest } = base
    await t.rejects(verifyJws(signed(rest, ed.privateKey), ed.publicKey, o.typ), { code: 'MDM_INTEGRITY' })
  }
})

t.test('every single changed character of a JWS is noticed', async (t) => {
  for (const pair of [ed, p256]) {
    const jws = await signJws({ v: 1 }, pair.privateKey, o)
    let refused = 0
    for (let i = 0; i < jws.length; i++) {
      const other = jws[i] === 'A' ? 'B' : 'A'
      const changed = jws.slice(0, i) + other + jws.slice(i + 1)
      await verifyJws(changed, pair.publicKey, o.typ).then(
        () => t.fail(`accepted a change at ${i}`),
        () => refused++,
      )
    }
    t.equal(refused, jws.length)
  }
})

t.test(
  'a signature has one spelling: neither base64 nor ECDSA can be respelled by a third party',
  async (t) => {
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
    for (let i = 0; i < 8; i++) {
      const jws = await signJws({ i }, p256.privateKey, o)
      const dot = jws.lastIndexOf('.')
      const signature = Buffer.from(jws.slice(dot + 1), 'base64url')
      const s = order - BigInt(`0x${signature.toString('hex', 32)}`)
      signature.write(s.toString(16).padStart(64, '0'), 32, 'hex')
      await t.rejects(
        verifyJws(`${jws.slice(0, dot)}.${signature.toString('base64url')}`, p256.publicKey, o.typ),
        { code: 'MDM_INTEGRITY' },
      )
    }
    const jws = await signJws(payload, ed.privateKey, o)
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const respelled = jws.slice(0, -1) + alphabet[alphabet.indexOf(jws.at(-1)!) + 1]
    t.same(
      Buffer.from(respelled.split('.')[2]!, 'base64url'),
      Buffer.from(jws.split('.')[2]!, 'base64url'),
      'the same bytes',
    )
    await t.rejects(verifyJws(respelled, ed.publicKey, o.typ), { code: 'MDM_INTEGRITY' })
  },
)

t.test('what is not a JWS of an object is refused before any signature is looked at', async (t) => {
  const header = part({ alg: 'EdDSA', ...o })
  const bad = [
    '',
    'a',
    'a.b',
    `${header}.${part(payload)}`,
    `${header}.${part(payload)}.AA.AA`,
    `${header}.${part('[1]')}.AA`,
    `${header}.${part('null')}.AA`,
    `${header}.${part('{')}.AA`,
    `${header}.gP8.AA`,
    `${header}=.${part(payload)}.AA`,
    `${part('[]')}.${part(payload)}.AA`,
  ]
  for (const jws of bad) {
    t.throws(() => peekJws(jws), { code: 'MDM_BAD_REQUEST' }, jws.slice(0, 40))
    await t.rejects(verifyJws(jws, ed.publicKey, o.typ), { code: 'MDM_INTEGRITY' })
  }
})

t.test('a JWS longer than 64 KiB is neither written nor read', async (t) => {
  const long = { text: 'x'.repeat(MAX_JWS) }
  await t.rejects(signJws(long, ed.privateKey, o), { code: 'MDM_BAD_REQUEST' })
  await t.rejects(signJws({ text: 'x'.repeat(50_000) }, ed.privateKey, o), { code: 'MDM_BAD_REQUEST' })
  const jws = signed({ alg: 'EdDSA', ...o }, ed.privateKey, long)
  t.throws(() => peekJws(jws), { code: 'MDM_BAD_REQUEST' })
  await t.rejects(verifyJws(jws, ed.publicKey, o.typ), { code: 'MDM_INTEGRITY' })
})

t.test('keys of other kinds neither sign nor verify', async (t) => {
  for (const pair of [p384, rsa1024])
    await t.rejects(signJws(payload, pair.privateKey, o), { code: 'MDM_CONFIG' })
  await t.rejects(signJws(payload, ed.publicKey, o), { code: 'MDM_CONFIG' })
  const jws = await signJws(payload, ed.privateKey, o)
  await t.rejects(verifyJws(jws, p384.publicKey, o.typ), { code: 'MDM_INTEGRITY' })
})

t.test('the digest of a JWS is the SHA-256 of its text', async (t) => {
  const jws = await signJws(payload, ed.privateKey, o)
  t.equal(jwsDigest(jws), createHash('sha256').update(jws).digest('hex'))
})

t.test('a key is named by its SubjectPublicKeyInfo, from either half, and has one spelling', (t) => {
  for (const pair of [ed, p256, rsa]) {
    const der = pair.publicKey.export({ format: 'der', type: 'spki' })
    t.equal(spkiOf(pair.privateKey), der.toString('base64'))
    t.equal(spkiDigest(pair.privateKey), createHash('sha256').update(der).digest('hex'))
    t.equal(spkiDigest(der), spkiDigest(pair.publicKey))
    t.ok(keyFromSpki(spkiOf(pair.publicKey)).equals(pair.publicKey))
    t.throws(() => keyFromSpki(der.toString('base64url') + '\n'), { code: 'MDM_BAD_REQUEST' })
    t.throws(() => keyFromSpki(Buffer.concat([der, Buffer.from([0])]).toString('base64')), {
      code: 'MDM_BAD_REQUEST',
    })
    t.throws(() => keyFromSpki(der.subarray(1).toString('base64')), { code: 'MDM_BAD_REQUEST' })
  }
  t.end()
})
