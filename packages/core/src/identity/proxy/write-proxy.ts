import { X509Certificate, type KeyObject } from 'node:crypto'
import { spkiDigest } from '../../crypto/spki.ts'
import { MdmError } from '../../errors.ts'
import { EXTENSION, readCertificate } from '../certificate.ts'
import { der, extension, integer, oid, signed, time } from '../der-writer.ts'
import { derChildren, readDer, TAG } from '../der.ts'
import type { Limits } from '../limits.ts'
import { newSerial } from '../serial.ts'
import { requireStrongKey } from '../strength.ts'
import { LANGUAGE, writePolicy } from './policy.ts'

/** What a proxy passes on of its owner's rights: all, all but starting jobs, or what limits leave. */
export type ProxyPolicy =
  | { readonly language: 'inheritAll' | 'limited' }
  | { readonly language: 'mdmLimits'; readonly limits: Limits }

/** Who signs: his certificate, those between it and the CA, and the private key of the first. */
export interface ProxyIssuer {
  /** leaf first: an end-entity certificate, or a proxy and what is above it */
  readonly chain: readonly X509Certificate[]
  /** RSA, EC or Ed25519 */
  readonly key: KeyObject
}

/** Clocks of peers differ: a proxy is good a little before it was made. */
const SKEW_MS = 5 * 60_000

/**
 * Makes a proxy certificate (RFC 3820 section 3) that never outlives one of those it hangs on.
 *
 * @param o `holder` is the public key that it is for; `notAfter` is cut to the earliest end of the issuer's chain; `pathLen` says
 *   how many proxies may follow it, any number when absent
 * @throws MDM_CONFIG when the issuer may not sign or its key is of another certificate; MDM_UNAUTHENTICATED for a weak key;
 *   MDM_CREDENTIAL_EXPIRED when nothing is left of its validity
 */
export function writeProxy(o: {
  issuer: ProxyIssuer
  holder: KeyObject
  policy: ProxyPolicy
  now: Date
  notAfter: Date
  pathLen?: number
}): X509Certificate {
  const leaf = requireSigner(o.issuer)
  const all = o.issuer.chain.map(({ raw }) => readCertificate(raw))
  const ends = [o.notAfter, ...all.map(({ notAfter }) => notAfter)].map(Number)
  const begins = [o.now.getTime() - SKEW_MS, ...all.map(({ notBefore }) => notBefore.getTime())]
  // DER has whole seconds.
  const notAfter = new Date(Math.floor(Math.min(...ends) / 1_000) * 1_000)
  const notBefore = new Date(Math.floor(Math.max(...begins) / 1_000) * 1_000)
  if (notAfter <= o.now || notAfter <= notBefore)
    throw new MdmError('MDM_CREDENTIAL_EXPIRED', 'the certificate that should sign has expired')
  const spki = o.holder.export({ type: 'spki', format: 'der' })
  requireStrongKey({ spkiDer: spki.toString('base64') })
  const serial = newSerial()
  const name = subjectOf(leaf.raw)
  const raw = signed(o.issuer.key, (algorithm) =>
    der(
      TAG.sequence,
      der(0xa0, integer('02')),
      integer(serial),
      algorithm,
      der(TAG.sequence, ...name),
      der(TAG.sequence, time(notBefore), time(notAfter)),
      der(TAG.sequence, ...name, commonName(BigInt(`0x${serial}`).toString())),
      spki,
      der(0xa3, der(TAG.sequence, keyUsage(o.holder), proxyCertInfo(o.policy, o.pathLen))),
    ),
  )
  return new X509Certificate(raw)
}

/** Fails unless the key is the leaf's and the leaf may sign proxies (RFC 3820 section 3.1). */
function requireSigner({ chain, key }: ProxyIssuer): X509Certificate {
  const [leaf] = chain
  if (leaf === undefined) throw new MdmError('MDM_CONFIG', 'there is no certificate to sign with')
  const identity = readCertificate(leaf.raw)
  requireStrongKey(identity)
  if (identity.spki !== spkiDigest(key))
    throw new MdmError('MDM_CONFIG', 'the key is not the one of the certificate')
  if (identity.isCa || identity.keyUsage?.digitalSignature === false)
    throw new MdmError('MDM_CONFIG', 'the certificate may not sign for others')
  return leaf
}

/** The parts of a subject with the bytes they have, since the name of a proxy is compared with them. */
function subjectOf(certificate: Buffer): Buffer[] {
  const [tbs] = derChildren(readDer(certificate, TAG.sequence))
  const fields = derChildren(tbs!).filter(({ tag }) => tag !== 0xa0)
  return derChildren(fields[4]!, TAG.sequence).map(({ raw }) => raw)
}

/** The one part that the name of a proxy has more than its issuer's (RFC 3820 section 3.4). */
function commonName(value: string): Buffer {
  return der(TAG.set, der(TAG.sequence, oid('2.5.4.3'), der(TAG.printable, Buffer.from(value, 'latin1'))))
}

/** digitalSignature, and for RSA keyEncipherment, which older TLS clients look for. */
function keyUsage(holder: KeyObject): Buffer {
  const bits = holder.asymmetricKeyType === 'rsa' ? [5, 0xa0] : [7, 0x80]
  return extension(EXTENSION.keyUsage, der(TAG.bitString, Buffer.from(bits)), { critical: true })
}

function proxyCertInfo(policy: ProxyPolicy, pathLen: number | undefined): Buffer {
  const limits = policy.language === 'mdmLimits' ? [der(TAG.octetString, writePolicy(policy.limits))] : []
  const length = pathLen === undefined ? [] : [integer(BigInt(pathLen))]
  const proxyPolicy = der(TAG.sequence, oid(LANGUAGE[policy.language]), ...limits)
  return extension(EXTENSION.proxyCertInfo, der(TAG.sequence, ...length, proxyPolicy), { critical: true })
}
