import { spkiDigest } from '../crypto/spki.ts'
import {
  derBoolean,
  derChildren,
  derInteger,
  derOid,
  derTime,
  expectTag,
  malformed,
  readDer,
  TAG,
  type DerValue,
} from './der.ts'
import { dnFromDer, type Dn } from './dn.ts'
import { extensionsOf, type Extension } from './extensions.ts'
import { readProxyInfo, type ProxyInfo } from './proxy/proxy-info.ts'

/** What a certificate says, read from its DER by our own reader (RFC 5280 section 4.1). Nothing of it is verified. */
export interface CertificateIdentity {
  readonly dn: Dn
  readonly issuer: Dn
  /** the names as they are written; a proxy's are compared as bytes (RFC 3820 section 3.4) */
  readonly subjectDer: Buffer
  readonly issuerDer: Buffer
  /** SHA-256 of the SubjectPublicKeyInfo, hex */
  readonly spki: string
  /** the SubjectPublicKeyInfo, base64 of its DER */
  readonly spkiDer: string
  readonly notBefore: Date
  readonly notAfter: Date
  /** hex */
  readonly serial: string
  readonly isCa: boolean
  /** OIDs; empty when the certificate does not limit its use */
  readonly extendedKeyUsage: string[]
  /** names of the key usage bits we look at; undefined when the certificate does not limit its use */
  readonly keyUsage: KeyUsage | undefined
  /** OID of the algorithm the issuer signed with */
  readonly signatureAlgorithm: string
  /** OIDs of all extensions, and whether they are critical */
  readonly extensions: ReadonlyMap<string, boolean>
  /** what makes it a proxy; undefined for an end-entity certificate */
  readonly proxyInfo: ProxyInfo | undefined
}

export interface KeyUsage {
  readonly digitalSignature: boolean
  readonly keyCertSign: boolean
  readonly cRLSign: boolean
}

/** Extensions that we look at. */
export const EXTENSION = {
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  certificatePolicies: '2.5.29.32',
  extendedKeyUsage: '2.5.29.37',
  /** RFC 3820 section 3.8 */
  proxyCertInfo: '1.3.6.1.5.5.7.1.14',
} as const

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'

/** True unless the certificate is limited to uses other than signing in as a client (RFC 5280 section 4.2.1.12). */
export function isForClients({ extendedKeyUsage }: CertificateIdentity): boolean {
  return extendedKeyUsage.length === 0 || extendedKeyUsage.includes(CLIENT_AUTH)
}

/** Reads a certificate from its DER. @throws MDM_UNAUTHENTICATED when malformed */
export function readCertificate(der: Buffer): CertificateIdentity {
  const [tbs, outer, signature, ...rest] = derChildren(readDer(der, TAG.sequence))
  expectTag(signature, TAG.bitString)
  if (rest.length > 0) throw malformed('values after the signature')
  const fields = derChildren(expectTag(tbs, TAG.sequence))
  const version = fields[0]?.tag === 0xa0 ? derInteger(derChildren(fields.shift()!)[0]) : '00'
  const [serial, algorithm, issuer, validity, subject, spki, ...optional] = fields
  // Both copies of the algorithm must be the same, or the signed one means nothing (RFC 5280 section 4.1.1.2).
  if (!expectTag(algorithm, TAG.sequence).raw.equals(expectTag(outer, TAG.sequence).raw))
    throw malformed('two algorithms')
  const [notBefore, notAfter, ...more] = derChildren(expectTag(validity, TAG.sequence))
  if (more.length > 0) throw malformed('a validity')
  const extensions = readExtensions(version, optional)
  const spkiDer = expectTag(spki, TAG.sequence).raw
  const subjectDer = expectTag(subject, TAG.sequence).raw
  const issuerDer = expectTag(issuer, TAG.sequence).raw
  return {
    dn: dnFromDer(subjectDer),
    issuer: dnFromDer(issuerDer),
    ...{ subjectDer, issuerDer },
    spki: spkiDigest(spkiDer),
    spkiDer: spkiDer.toString('base64'),
    notBefore: derTime(notBefore),
    notAfter: derTime(notAfter),
    serial: derInteger(serial),
    isCa: basicConstraints(extensions.get(EXTENSION.basicConstraints)),
    extendedKeyUsage: extendedKeyUsage(extensions.get(EXTENSION.extendedKeyUsage)),
    keyUsage: keyUsage(extensions.get(EXTENSION.keyUsage)),
    signatureAlgorithm: derOid(derChildren(algorithm!)[0]),
    extensions: new Map([...extensions].map(([oid, { critical }]) => [oid, critical])),
    proxyInfo: readProxyInfo(extensions.get(EXTENSION.proxyCertInfo)?.value),
  }
}

function readExtensions(version: string, optional: readonly DerValue[]): Map<string, Extension> {
  const field = optional.find((value) => value.tag === 0xa3)
  if (field === undefined) return new Map()
  if (version !== '02') throw malformed('extensions before version 3')
  return extensionsOf(readDer(field.content, TAG.sequence))
}

function basicConstraints(extension: Extension | undefined): boolean {
  if (extension === undefined) return false
  const [first] = derChildren(extension.value, TAG.sequence)
  return first?.tag === TAG.boolean && derBoolean(first)
}

function extendedKeyUsage(extension: Extension | undefined): string[] {
  if (extension === undefined) return []
  const purposes = derChildren(extension.value, TAG.sequence).map(derOid)
  if (purposes.length === 0) throw malformed('a use of the key')
  return purposes
}

function keyUsage(extension: Extension | undefined): KeyUsage | undefined {
  if (extension === undefined) return undefined
  const { content } = expectTag(extension.value, TAG.bitString)
  const [unused, bits] = content
  if (unused === undefined || unused > 7 || bits === undefined) throw malformed('a use of the key')
  return {
    digitalSignature: (bits & 0x80) !== 0,
    keyCertSign: (bits & 0x04) !== 0,
    cRLSign: (bits & 0x02) !== 0,
  }
}
