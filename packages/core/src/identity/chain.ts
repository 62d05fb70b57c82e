import type { X509Certificate } from 'node:crypto'
import { MdmError } from '../errors.ts'
import { EXTENSION, readCertificate, type CertificateIdentity } from './certificate.ts'

/** Who stands at the end of a chain: the end-entity certificate, and what the certificates before it add. */
export interface EndEntity {
  readonly certificate: X509Certificate
  readonly identity: CertificateIdentity
  /** The earliest end of any certificate of the chain. */
  readonly notAfter: Date
}

/**
 * Finds the end-entity certificate (EEC) of a chain that a peer sent.
 *
 * Today the first certificate must be the EEC itself. A proxy (RFC 3820) is told from an EEC by its proxyCertInfo and
 * refused; when proxies are accepted this function walks from the proxy to the EEC, and nothing else changes.
 *
 * @param chain as TLS gave it, leaf first
 * @throws MDM_UNAUTHENTICATED
 */
export function findEndEntity(chain: readonly X509Certificate[]): EndEntity {
  const [certificate] = chain
  if (certificate === undefined) throw new MdmError('MDM_UNAUTHENTICATED', 'no client certificate was sent')
  const identity = readCertificate(certificate.raw)
  if (identity.extensions.has(EXTENSION.proxyCertInfo)) {
    throw new MdmError(
      'MDM_UNAUTHENTICATED',
      'proxy certificates are not accepted here: use the certificate itself',
    )
  }
  return { certificate, identity, notAfter: identity.notAfter }
}
