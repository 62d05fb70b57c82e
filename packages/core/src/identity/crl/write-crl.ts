import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { MdmError } from '../../errors.ts'
import { readCertificate } from '../certificate.ts'
import { der, extension, integer, signed, time } from '../der-writer.ts'
import { derChildren, readDer, TAG } from '../der.ts'
import { extensionsOf } from '../extensions.ts'
import { requireCa, type UserCa } from '../issued.ts'
import { crlPem, crlsIn } from './crl-text.ts'
import { openCrl, readCrl, type Crl } from './read-crl.ts'

/**
 * Makes the next revocation list of a CA: what its last one holds, and what is revoked now. Nothing ever leaves a list.
 *
 * @param o `ca` is PEM; `last` is the content of its last list, undefined only where it never made one; `revoke` holds serial
 *   numbers as serialOf gives them; `days` until the list ends
 * @returns the list in PEM and what it says
 * @throws MDM_CONFIG when certificate and key are not those of one CA, or the last list is not by it
 */
export function nextCrl(o: {
  ca: { certificate: string; key: string }
  last: Buffer | undefined
  revoke: readonly string[]
  days: number
  now: Date
}): { pem: string; list: Crl } {
  const { ca, key } = openCa(o.ca)
  const last = o.last === undefined ? undefined : lastOf(o.last, ca)
  const revoked = new Map(last?.revoked)
  // DER has whole seconds.
  const thisUpdate = new Date(Math.floor(o.now.getTime() / 1_000) * 1_000)
  for (const serial of o.revoke) if (!revoked.has(serial)) revoked.set(serial, thisUpdate)
  const nextUpdate = new Date(thisUpdate.getTime() + o.days * 86_400_000)
  const list = { issuer: ca.identity.dn, thisUpdate, nextUpdate, number: (last?.number ?? 0n) + 1n, revoked }
  return { pem: crlPem(signCrl(list, ca.certificate, key)), list }
}

/**
 * A serial number as CertificateIdentity has it, from hex as people and programs write it: any case, with colons or without.
 *
 * @throws MDM_USAGE when it is none
 */
export function serialOf(text: string): string {
  const digits = text.replaceAll(':', '').toLowerCase()
  if (!/^[0-9a-f]{1,40}$/.test(digits)) throw new MdmError('MDM_USAGE', 'not a serial number in hex')
  const bytes = digits.padStart(digits.length + (digits.length % 2), '0').replace(/^(?:00)+(?=..)/, '')
  return Number.parseInt(bytes.slice(0, 2), 16) < 0x80 ? bytes : `00${bytes}`
}

function openCa(pem: { certificate: string; key: string }): { ca: UserCa; key: KeyObject } {
  try {
    const certificate = new X509Certificate(pem.certificate)
    const key = createPrivateKey(pem.key)
    const identity = readCertificate(certificate.raw)
    requireCa(identity)
    if (!certificate.checkPrivateKey(key)) throw new Error('the key is of another certificate')
    return { ca: { certificate, identity, nameSpaces: [] }, key }
  } catch (cause) {
    throw new MdmError('MDM_CONFIG', 'the certificate and the key are not those of one CA', { cause })
  }
}

function lastOf(content: Buffer, ca: UserCa): Crl {
  try {
    const [der, ...more] = crlsIn(content)
    if (der === undefined || more.length > 0) throw new Error('not one list')
    return readCrl(openCrl(der), ca)
  } catch (cause) {
    throw new MdmError('MDM_CONFIG', 'the last revocation list is damaged, or another CA made it', { cause })
  }
}

/** Writes and signs a list of version 2 (RFC 5280 section 5.1). */
function signCrl(list: Crl, issuer: X509Certificate, key: KeyObject): Buffer {
  const { subject, keyId } = namesOf(issuer.raw)
  const entries = [...list.revoked].map(([serial, date]) => der(TAG.sequence, integer(serial), time(date)))
  const extensions = [
    ...(keyId === undefined ? [] : [extension('2.5.29.35', der(TAG.sequence, der(0x80, keyId)))]),
    extension('2.5.29.20', integer(list.number)),
  ]
  return signed(key, (algorithm) =>
    der(
      TAG.sequence,
      integer('01'),
      algorithm,
      subject,
      time(list.thisUpdate),
      time(list.nextUpdate),
      // Absent rather than empty (RFC 5280 section 5.1.2.6).
      ...(entries.length === 0 ? [] : [der(TAG.sequence, ...entries)]),
      der(0xa0, der(TAG.sequence, ...extensions)),
    ),
  )
}

/** Name and key identifier of a CA as its certificate has them: readers compare the bytes. */
function namesOf(certificate: Buffer): { subject: Buffer; keyId: Buffer | undefined } {
  const fields = derChildren(derChildren(readDer(certificate))[0]!).filter(({ tag }) => tag !== 0xa0)
  const optional = fields.find(({ tag }) => tag === 0xa3)
  const extensions = optional === undefined ? undefined : extensionsOf(readDer(optional.content))
  return { subject: fields[4]!.raw, keyId: extensions?.get('2.5.29.14')?.value.content }
}
