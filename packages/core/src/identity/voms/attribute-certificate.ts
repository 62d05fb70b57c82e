import { X509Certificate } from 'node:crypto'
import { readCertificate, type CertificateIdentity } from '../certificate.ts'
import { derChildren, derInteger, derOid, derTime, expectTag, malformed, TAG, type DerValue } from '../der.ts'
import { dnFromDer, type Dn } from '../dn.ts'
import { extensionsOf, type Extension } from '../extensions.ts'
import { FQAN_ATTRIBUTE, readFqans, type VomsAttributes } from './fqan-attribute.ts'

/** What an attribute certificate says, read from its DER by our own reader. Nothing of it is verified. */
export interface AttributeCertificate {
  /** the certificate that it is for: a name that stands for the issuer, and a serial number in hex */
  readonly holder: { readonly issuer: Dn; readonly serial: string }
  readonly issuer: Dn
  readonly notBefore: Date
  readonly notAfter: Date
  readonly attributes: VomsAttributes
  /** the certificate that it says it is signed by, which comes inside */
  readonly signer: {
    readonly certificate: X509Certificate
    readonly identity: CertificateIdentity
  }
  readonly signed: { readonly data: Buffer; readonly signature: Buffer; readonly algorithm: string }
}

const EXTENSION = {
  /** VOMS: the certificates of the signer, its own first */
  certificates: '1.3.6.1.4.1.8005.100.100.10',
  authorityKeyIdentifier: '2.5.29.35',
  /** RFC 5755 section 4.3.2: the services it is for, and for no others */
  targets: '2.5.29.55',
  /** RFC 5755 section 4.3.6: it is never revoked, only short-lived */
  noRevAvail: '2.5.29.56',
} as const
const UNDERSTOOD = new Set<string>([
  EXTENSION.certificates,
  EXTENSION.authorityKeyIdentifier,
  EXTENSION.noRevAvail,
])

const NULL = 0x05
const DIRECTORY_NAME = 0xa4

/**
 * Reads an X.509 attribute certificate of version 2 in the profile of RFC 5755 section 4, as VOMS servers sign them.
 *
 * @throws MDM_UNAUTHENTICATED when malformed, or when it says something that would have to be understood and is not
 */
export function readAttributeCertificate(der: DerValue): AttributeCertificate {
  const [info, outer, signature, ...rest] = derChildren(der, TAG.sequence)
  const bits = expectTag(signature, TAG.bitString).content
  if (rest.length > 0 || bits[0] !== 0) throw malformed('an attribute certificate')
  const [version, holder, issuer, algorithm, serial, validity, attributes, extensions, ...more] = derChildren(
    expectTag(info, TAG.sequence),
  )
  // Both copies of the algorithm must be the same, or the signed one means nothing.
  if (!expectTag(algorithm, TAG.sequence).raw.equals(expectTag(outer, TAG.sequence).raw))
    throw malformed('two algorithms')
  if (derInteger(version) !== '01' || more.length > 0) throw malformed('the version of attributes')
  derInteger(serial)
  const [notBefore, notAfter, ...times] = derChildren(expectTag(validity, TAG.sequence))
  if (times.length > 0) throw malformed('a validity')
  return {
    holder: holderOf(expectTag(holder, TAG.sequence)),
    issuer: issuerOf(expectTag(issuer, 0xa0)),
    notBefore: derTime(expectTag(notBefore, TAG.generalizedTime)),
    notAfter: derTime(expectTag(notAfter, TAG.generalizedTime)),
    attributes: readFqans(attributeOf(expectTag(attributes, TAG.sequence))),
    signer: signerOf(extensionsOf(expectTag(extensions, TAG.sequence))),
    signed: {
      data: info!.raw,
      signature: bits.subarray(1),
      algorithm: derOid(derChildren(algorithm!)[0]),
    },
  }
}

/** Only baseCertificateID: a name or a digest alone would not say which certificate. */
function holderOf(holder: DerValue): AttributeCertificate['holder'] {
  const [base, ...others] = derChildren(holder)
  const [issuer, serial, ...more] = derChildren(expectTag(base, 0xa0))
  if (others.length > 0 || more.length > 0) throw malformed('the holder of attributes')
  return { issuer: directoryName(expectTag(issuer, TAG.sequence)), serial: derInteger(serial) }
}

/** Only v2Form with one name and nothing else (RFC 5755 section 4.2.3). */
function issuerOf(v2Form: DerValue): Dn {
  const [names, ...others] = derChildren(v2Form)
  if (others.length > 0) throw malformed('the issuer of attributes')
  return directoryName(expectTag(names, TAG.sequence))
}

function directoryName(names: DerValue): Dn {
  const [name, ...others] = derChildren(names)
  if (others.length > 0) throw malformed('a name among several')
  return dnFromDer(expectTag(name, DIRECTORY_NAME).content)
}

/** The value of the FQANs; attributes of other types are passed over, for they give nothing here. */
function attributeOf(attributes: DerValue): DerValue {
  const values = new Map<string, DerValue>()
  for (const attribute of derChildren(attributes)) {
    const [type, set, ...rest] = derChildren(attribute, TAG.sequence)
    const oid = derOid(type)
    const [value, ...others] = derChildren(expectTag(set, TAG.set))
    // Each type once, and this type with one value: nobody may read another one than we do.
    if (rest.length > 0 || values.has(oid) || value === undefined) throw malformed('an attribute')
    if (oid === FQAN_ATTRIBUTE && others.length > 0) throw malformed('an attribute of several values')
    values.set(oid, value)
  }
  return expectTag(values.get(FQAN_ATTRIBUTE), TAG.sequence)
}

function signerOf(extensions: ReadonlyMap<string, Extension>): AttributeCertificate['signer'] {
  for (const [oid, { critical }] of extensions)
    // Targets are refused in any case: the servers named there are not known to be us.
    if (oid === EXTENSION.targets || (critical && !UNDERSTOOD.has(oid)))
      throw malformed('attributes with an extension that is not understood here')
  const noRevAvail = extensions.get(EXTENSION.noRevAvail)?.value
  if (expectTag(noRevAvail, NULL).content.length > 0) throw malformed('an extension')
  const lists = derChildren(expectTag(extensions.get(EXTENSION.certificates)?.value, TAG.sequence))
  const [first] = lists.length === 1 ? derChildren(lists[0]!, TAG.sequence) : []
  const { raw } = expectTag(first, TAG.sequence)
  const identity = readCertificate(raw)
  try {
    return { certificate: new X509Certificate(raw), identity }
  } catch (cause) {
    throw malformed('the certificate of who signed attributes', cause)
  }
}
