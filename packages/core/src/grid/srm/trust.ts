import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { spkiDigest } from '../../crypto/spki.ts'
import { MdmError } from '../../errors.ts'
import type { CaFolder } from './ca-folder.ts'

/** Whom a storage service may be: nobody is trusted on first use. */
export interface ServerTrust {
  readonly cas: CaFolder
  /** SHA-256 (hex) of the SubjectPublicKeyInfo of every service of an accepted roster */
  readonly pins: ReadonlySet<string>
}

/** Clocks differ by so much. */
const SKEW_MS = 300_000

/**
 * Fails unless the server of a fresh connection is one of a roster, by its key, or has a certificate of a trusted CA for the name
 * that was called. Nothing has been sent to it then.
 *
 * @throws MDM_PEER; MDM_CONFIG when a revocation list cannot be used
 */
export function requireTrusted(socket: TLSSocket, trust: ServerTrust, host: string): void {
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) throw new MdmError('MDM_PEER', `${host} showed no certificate`)
  const now = new Date()
  if (trust.pins.has(spkiDigest(certificate.publicKey)) && isValid(certificate, now)) return
  // OpenSSL verified the chain, Node the host name (RFC 6125), before the connection was called ready.
  if (!socket.authorized) {
    const why = String(socket.authorizationError ?? 'unknown')
      .replace(/[^A-Za-z0-9_ -]/g, '')
      .slice(0, 60)
    throw new MdmError(
      'MDM_PEER',
      `${host} is not a service of an accepted roster, nor known to the CAs of X509_CERT_DIR (${why})`,
    )
  }
  trust.cas.requireGood(chainOf(certificate), now)
}

function isValid({ validFrom, validTo }: X509Certificate, now: Date): boolean {
  return Date.parse(validTo) >= now.getTime() && Date.parse(validFrom) <= now.getTime() + SKEW_MS
}

/** Leaf first; the issuers are those that the verification found. */
function chainOf(leaf: X509Certificate): X509Certificate[] {
  const chain = [leaf]
  for (let last = leaf; chain.length < 10;) {
    const { issuerCertificate } = last
    if (issuerCertificate === undefined || issuerCertificate.fingerprint256 === last.fingerprint256) break
    chain.push((last = issuerCertificate))
  }
  return chain
}
