import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto'
import { isIP } from 'node:net'
import { promisify } from 'node:util'
import forge from 'node-forge'
import { MdmError } from '../errors.ts'
import { nameAttributes } from './dn.ts'
import { newSerial } from './serial.ts'

/** A certificate and its private key, both PEM. */
export interface Issued {
  readonly certificate: string
  readonly key: string
}

/**
 * Makes a small CA: a self-signed certificate that may sign user certificates and nothing else.
 *
 * @param o `dn` as parseDn takes it, written as typed; `days` until it ends, from 1 to 7300
 * @throws MDM_USAGE
 */
export async function createCa(o: { dn: string; days: number }): Promise<Issued> {
  const { certificate, key, pem } = await draft(o.dn, o.days, 3072)
  certificate.setIssuer(certificate.subject.attributes)
  certificate.setExtensions([
    { name: 'basicConstraints', critical: true, cA: true, pathLenConstraint: 0 },
    { name: 'keyUsage', critical: true, keyCertSign: true, cRLSign: true },
    { name: 'subjectKeyIdentifier' },
  ])
  return sealed(certificate, key, pem)
}

/**
 * Issues a user certificate; it never outlives its CA.
 *
 * @param o `ca` as createCa made it
 * @throws MDM_USAGE | MDM_CONFIG when the CA is malformed
 */
export async function issueCertificate(o: {
  ca: Issued
  dn: string
  days: number
  usage: 'client'
}): Promise<Issued> {
  return issue(o.ca, await draft(o.dn, o.days, 2048), [
    { name: 'keyUsage', critical: true, digitalSignature: true },
    { name: 'extKeyUsage', clientAuth: true },
  ])
}

/**
 * Issues the certificate of a host, for clients that know the CA and compare names; it never outlives its CA.
 *
 * @param o `hosts` are DNS names and IP addresses; `key` is the RSA key (PEM) it is made for
 * @throws MDM_USAGE | MDM_CONFIG when the CA or the key is malformed
 */
export async function issueHostCertificate(o: {
  ca: Issued
  dn: string
  hosts: readonly string[]
  days: number
  key: string
}): Promise<Issued> {
  return issue(o.ca, await draft(o.dn, o.days, o.key), [
    { name: 'keyUsage', critical: true, digitalSignature: true, keyEncipherment: true },
    { name: 'extKeyUsage', serverAuth: true },
    { name: 'subjectAltName', altNames: altNames(o.hosts) },
  ])
}

function issue(of: Issued, { certificate, pem }: Draft, extensions: readonly object[]): Issued {
  const ca = readCa(of)
  if (certificate.validity.notAfter > ca.certificate.validity.notAfter) {
    certificate.validity.notAfter = ca.certificate.validity.notAfter
  }
  certificate.setIssuer(ca.certificate.subject.attributes.map(asText))
  certificate.setExtensions([
    { name: 'basicConstraints', critical: true, cA: false },
    ...extensions,
    { name: 'subjectKeyIdentifier' },
    {
      name: 'authorityKeyIdentifier',
      keyIdentifier: ca.certificate.generateSubjectKeyIdentifier().getBytes(),
    },
  ])
  return sealed(certificate, ca.key, pem)
}

/**
 * Makes the certificate of a site or key server: self-signed, since peers ask only whether it holds the key of the roster.
 *
 * @param o `hosts` are DNS names and IP addresses; `key` is the RSA key (PEM) to make it for, a new one when absent
 * @throws MDM_USAGE | MDM_CONFIG when the key is none
 */
export async function createServiceCertificate(o: {
  commonName: string
  hosts: readonly string[]
  days: number
  key?: string
}): Promise<Issued> {
  const subject = [{ oid: '2.5.4.3', value: o.commonName }]
  const { certificate, key, pem } = await draft(subject, o.days, o.key ?? 2048)
  certificate.setIssuer(certificate.subject.attributes)
  certificate.setExtensions([
    { name: 'basicConstraints', critical: true, cA: false },
    { name: 'keyUsage', critical: true, digitalSignature: true, keyEncipherment: true },
    { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
    {
      name: 'subjectAltName',
      altNames: altNames(o.hosts),
    },
    { name: 'subjectKeyIdentifier' },
  ])
  return sealed(certificate, key, pem)
}

/**
 * Makes the request (PKCS#10) that a hospital's own CA turns into a certificate for the same key; peers pin the key, so either
 * certificate will do.
 *
 * @param o `hosts` are DNS names and IP addresses; `key` is an RSA key, PEM
 * @throws MDM_CONFIG when the key is none
 */
export function createCertificateRequest(o: {
  commonName: string
  hosts: readonly string[]
  key: string
}): string {
  const pair = rsaPair(o.key)
  const request = forge.pki.createCertificationRequest()
  request.publicKey = forge.pki.publicKeyFromPem(pemOf(pair.publicKey))
  request.setSubject([{ type: '2.5.4.3', value: o.commonName }])
  const names = { name: 'subjectAltName', altNames: altNames(o.hosts) }
  request.setAttributes([{ name: 'extensionRequest', extensions: [names] }])
  request.sign(forge.pki.privateKeyFromPem(o.key), forge.md.sha256.create())
  return forge.pki.certificationRequestToPem(request).replaceAll('\r', '')
}

function altNames(hosts: readonly string[]) {
  return hosts.map((host) => (isIP(host) === 0 ? { type: 2, value: host } : { type: 7, ip: host }))
}

interface Draft {
  readonly certificate: forge.pki.Certificate
  readonly key: forge.pki.rsa.PrivateKey
  readonly pem: string
}

/** Clocks of peers differ: a certificate is good a little before it was made. */
const SKEW_MS = 5 * 60_000
const DAY_MS = 86_400_000

/** @param made bits of a new key, or the PEM of the key to use */
async function draft(
  subject: string | readonly { oid: string; value: string }[],
  days: number,
  made: number | string,
): Promise<Draft> {
  if (!Number.isInteger(days) || days < 1 || days > 7300) {
    throw new MdmError('MDM_USAGE', 'a certificate lasts 1 to 7300 days')
  }
  const attributes = (typeof subject === 'string' ? nameAttributes(subject) : subject).map(forgeAttribute)
  const pair =
    typeof made === 'string'
      ? rsaPair(made)
      : await promisify(generateKeyPair)('rsa', { modulusLength: made })
  const pem = pemOf(pair.privateKey)
  const certificate = forge.pki.createCertificate()
  certificate.publicKey = forge.pki.publicKeyFromPem(pemOf(pair.publicKey))
  certificate.serialNumber = newSerial()
  const now = Date.now()
  certificate.validity.notBefore = new Date(now - SKEW_MS)
  certificate.validity.notAfter = new Date(now + days * DAY_MS)
  certificate.setSubject(attributes)
  return { certificate, key: forge.pki.privateKeyFromPem(pem), pem }
}

function rsaPair(pem: string): { privateKey: KeyObject; publicKey: KeyObject } {
  try {
    const privateKey = createPrivateKey(pem)
    if (privateKey.asymmetricKeyType !== 'rsa') throw new Error('not an RSA key')
    return { privateKey, publicKey: createPublicKey(privateKey) }
  } catch (cause) {
    throw new MdmError('MDM_CONFIG', 'the key is not an RSA private key in PEM', { cause })
  }
}

function pemOf(key: KeyObject): string {
  const type = key.type === 'private' ? ('pkcs8' as const) : ('spki' as const)
  return key.export({ type, format: 'pem' } as never) as unknown as string
}

/** UTF-8, but for the types that RFC 5280 appendix A gives another string type. */
function forgeAttribute({ oid, value }: { oid: string; value: string }): forge.pki.CertificateField {
  const { UTF8, PRINTABLESTRING, IA5STRING } = forge.asn1.Type
  const type =
    ASCII_TYPES[oid] === 'printable' ? PRINTABLESTRING : ASCII_TYPES[oid] === 'ia5' ? IA5STRING : UTF8
  if (type !== UTF8 && /[^\x20-\x7e]/.test(value)) {
    throw new MdmError('MDM_USAGE', 'not a distinguished name: this attribute must be ASCII')
  }
  return { type: oid, value, valueTagClass: type as unknown as forge.asn1.Class }
}

/** node-forge encodes UTF-8 when it writes a name, and leaves it encoded when it reads one. */
function asText(field: forge.pki.CertificateField): forge.pki.CertificateField {
  const isUtf8 = (field.valueTagClass as unknown) === forge.asn1.Type.UTF8
  return isUtf8 ? { ...field, value: forge.util.decodeUtf8(field.value as string) } : field
}

const ASCII_TYPES: Readonly<Record<string, 'printable' | 'ia5'>> = {
  '2.5.4.5': 'printable',
  '2.5.4.6': 'printable',
  '2.5.4.46': 'printable',
  '0.9.2342.19200300.100.1.25': 'ia5',
  '1.2.840.113549.1.9.1': 'ia5',
}

function readCa(ca: Issued): { certificate: forge.pki.Certificate; key: forge.pki.rsa.PrivateKey } {
  try {
    return {
      certificate: forge.pki.certificateFromPem(ca.certificate),
      key: forge.pki.privateKeyFromPem(ca.key),
    }
  } catch (cause) {
    throw new MdmError('MDM_CONFIG', 'the CA is not one that "mdm ca init" made', { cause })
  }
}

function sealed(certificate: forge.pki.Certificate, key: forge.pki.rsa.PrivateKey, pem: string): Issued {
  certificate.sign(key, forge.md.sha256.create())
  return { certificate: forge.pki.certificateToPem(certificate).replaceAll('\r', ''), key: pem }
}
