import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  X509Certificate,
  type KeyObject,
} from 'node:crypto'
import t from 'tap'
import { keyFromSpki, spkiDigest, spkiOf } from '@mdm/core/crypto/spki'
import { findEndEntity } from '@mdm/core/identity/chain'
import { identify } from '@mdm/core/identity/identify'
import { requireStrongKey } from '@mdm/core/identity/strength'
import { holderOf, nameBelow, PROXY_CERT_INFO, proxyCertInfo, proxyOf } from '../../fixtures/x509/proxies.ts'
import { certificate, der, ec, ed25519, name, oid, rsa, time } from './certificates.ts'
import { caName, sampleSite, trusted } from './roster-samples.ts'

const now = new Date('2026-11-24T12:00:00Z')
const sample = sampleSite()
const roster = await trusted(sample.body, sample.signer)
const unknown = { code: 'MDM_UNAUTHENTICATED' }
const spkiDer = (key: KeyObject): Buffer => createPublicKey(key).export({ type: 'spki', format: 'der' })
const strong = (der: Buffer) => requireStrongKey({ spkiDer: der.toString('base64') })

/** The same modulus with another public exponent. */
function exponent(key: KeyObject, e: bigint): Buffer {
  const hex = e.toString(16)
  const jwk = { ...createPublicKey(key).export({ format: 'jwk' }) }
  jwk.e = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').toString('base64url')
  return createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'der' })
}

t.test(
  'an RSA exponent is neither so small that others can sign nor so long that it stops a server',
  async (t) => {
    const key = rsa(2048)
    for (const e of [1n, 2n, 3n, 17n, 65_535n, 65_536n, 65_538n, (1n << 32n) + 1n, (1n << 2040n) + 1n])
      t.throws(() => strong(exponent(key, e)), unknown, e.toString(16).slice(0, 12))
    for (const e of [65_537n, 65_539n, (1n << 32n) - 1n]) t.doesNotThrow(() => strong(exponent(key, e)))
  },
)

t.test('whoever owns a key with the exponent 1 is nobody, since all the world signs for him', async (t) => {
  const made = rsa(2048).export({ format: 'jwk' })
  const one = Buffer.from([1]).toString('base64url')
  const key = createPrivateKey({ key: { ...made, e: one, d: one, dp: one, dq: one }, format: 'jwk' })
  const subject = name(['C', 'FR'], ['O', 'Hospital'], ['CN', 'Alice'])
  const alice = holderOf(certificate({ subject, issuer: caName, key, signer: sample.caKey }), key)
  t.throws(() => identify(alice.chain, roster, now), unknown)
  // Made of her certificate alone: to sign, one needs to know what she has, and with this exponent nobody has anything.
  const forged = forgedBelow(alice.certificate, subject)
  t.ok(forged.verify(alice.certificate.publicKey), 'OpenSSL takes the signature for hers')
  t.throws(() => identify([forged, alice.certificate], roster, now), unknown)
})

/** A proxy below an owner, whose "signature" is the padded digest itself (RFC 8017 section 9.2). */
function forgedBelow(owner: X509Certificate, subject: Buffer): X509Certificate {
  const algorithm = der(0x30, oid('1.2.840.113549.1.1.11'), der(0x05))
  const tbs = der(
    0x30,
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([7])),
    algorithm,
    subject,
    der(0x30, time(new Date('2026-01-01T00:00:00Z')), time(new Date('2027-01-01T00:00:00Z'))),
    nameBelow(subject, ['CN', '7']),
    spkiDer(ed25519()),
    der(
      0xa3,
      der(0x30, der(0x30, oid(PROXY_CERT_INFO), der(0x01, Buffer.from([0xff])), der(0x04, proxyCertInfo()))),
    ),
  )
  const digest = createHash('sha256').update(tbs).digest()
  const info = der(0x30, der(0x30, oid('2.16.840.1.101.3.4.2.1'), der(0x05)), der(0x04, digest))
  const { modulusLength = 0 } = owner.publicKey.asymmetricKeyDetails ?? {}
  const padding = Buffer.alloc(modulusLength / 8 - info.length - 3, 0xff)
  const padded = Buffer.concat([Buffer.from([0, 1]), padding, Buffer.from([0]), info])
  return new X509Certificate(der(0x30, tbs, algorithm, der(0x03, Buffer.from([0]), padded)))
}

t.test('a key of a curve has one spelling: by the name of the curve and with the whole point', async (t) => {
  for (const [namedCurve, id] of [
    ['prime256v1', '1.2.840.10045.3.1.7'],
    ['secp384r1', '1.3.132.0.34'],
  ] as const) {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve })
    const own = publicKey.export({ type: 'spki', format: 'der' })
    const size = namedCurve === 'prime256v1' ? 32 : 48
    const x = own.subarray(own.length - 2 * size, own.length - size)
    const isOdd = own.at(-1)! & 1
    const point = (form: number, ...parts: Buffer[]) =>
      der(0x30, der(0x30, oid('1.2.840.10045.2.1'), oid(id)), der(0x03, Buffer.from([0, form]), ...parts))
    const explicit = generateKeyPairSync('ec', { namedCurve, paramEncoding: 'explicit' }).publicKey
    const spellings = {
      compressed: point(2 + isOdd, x),
      hybrid: point(6 + isOdd, own.subarray(own.length - 2 * size)),
      'with the curve written out': explicit.export({ type: 'spki', format: 'der' }),
    }
    t.doesNotThrow(() => strong(own))
    for (const [what, spelling] of Object.entries(spellings)) {
      t.throws(() => strong(spelling), unknown, `${namedCurve}, ${what}`)
      t.throws(() => keyFromSpki(spelling.toString('base64')), { code: 'MDM_BAD_REQUEST' }, what)
      const read = createPublicKey({ key: spelling, type: 'spki', format: 'der' })
      t.doesNotThrow(() => strong(Buffer.from(spkiOf(read), 'base64')), 'read, it is spelled as all are')
    }
    t.equal(
      spkiDigest(createPublicKey({ key: spellings.compressed, type: 'spki', format: 'der' })),
      spkiDigest(own),
    )
  }
})

t.test(
  'a chain with a key that is not accepted is refused before a signature is verified, and only once',
  async (t) => {
    const owner = holderOf(certificate({ subject: name(['CN', 'Alice']), key: rsa(2048) }), rsa(2048))
    const weak = holderOf(certificate({ subject: name(['CN', 'Bob']), key: rsa(1024) }), ed25519())
    for (const [holder, why] of [
      [proxyOf(owner), /not signed by its issuer/],
      [proxyOf(proxyOf(weak)), /key of a kind or size/],
    ] as const) {
      const refusals = [holder.chain, [...holder.chain]].map((chain) => {
        try {
          return findEndEntity(chain)
        } catch (error) {
          return error
        }
      })
      t.match(refusals[0], { ...unknown, message: why })
      t.equal(refusals[0], refusals[1], 'the same refusal, not another look')
    }
    const proxy = proxyOf(holderOf(certificate({ subject: name(['CN', 'Carol']), key: ec() }), ec()))
    t.throws(() => findEndEntity(proxy.chain.slice(0, 1)), unknown)
    const key = ec()
    const good = proxyOf(holderOf(certificate({ subject: name(['CN', 'Carol']), key }), key))
    t.throws(() => findEndEntity(good.chain.slice(0, 1)), unknown, 'its owner was not sent')
    t.ok(findEndEntity(good.chain), 'what was refused does not refuse another chain of the same leaf')
  },
)
