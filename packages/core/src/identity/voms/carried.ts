import type { X509Certificate } from 'node:crypto'
import { MdmError } from '../../errors.ts'
import { derChildren, expectTag, malformed, readDer, TAG, type DerValue } from '../der.ts'
import { extensionsOf } from '../extensions.ts'
import { readAttributeCertificate, type AttributeCertificate } from './attribute-certificate.ts'

/** VOMS: attribute certificates in an extension of a proxy. */
export const ATTRIBUTE_CERTIFICATES = '1.3.6.1.4.1.8005.100.100.5'

/** Attribute certificates that one proxy may carry, for as many virtual organisations. */
const MAX_CARRIED = 8

/** A connection shows the same certificate with every request, and what it carries does not change. */
const read = new WeakMap<X509Certificate, readonly (AttributeCertificate | MdmError)[]>()

/** The attribute certificates in a certificate, in their order, or why one cannot be read; nothing of them is verified. */
export function carriedBy(certificate: X509Certificate): readonly (AttributeCertificate | MdmError)[] {
  const known = read.get(certificate)
  if (known !== undefined) return known
  const list = refusalOf(() => listOf(certificate.raw))
  const carried =
    list instanceof MdmError ? [list] : list.map((der) => refusalOf(() => readAttributeCertificate(der)))
  read.set(certificate, carried)
  return carried
}

/** What work gives, or why it refuses; another error than a refusal is our own fault, and stays one. */
export function refusalOf<T>(work: () => T): T | MdmError {
  try {
    return work()
  } catch (error) {
    if (error instanceof MdmError) return error
    throw error
  }
}

/** SEQUENCE OF SEQUENCE OF AttributeCertificate; the outer one has one member. */
function listOf(certificate: Buffer): readonly DerValue[] {
  const [tbs] = derChildren(readDer(certificate, TAG.sequence))
  const extensions = derChildren(expectTag(tbs, TAG.sequence)).find(({ tag }) => tag === 0xa3)
  if (extensions === undefined) return []
  const found = extensionsOf(readDer(extensions.content, TAG.sequence)).get(ATTRIBUTE_CERTIFICATES)
  if (found === undefined) return []
  const [list, ...others] = derChildren(found.value, TAG.sequence)
  const carried = derChildren(expectTag(list, TAG.sequence))
  if (others.length > 0 || carried.length > MAX_CARRIED) throw malformed('too many attribute certificates')
  return carried
}
