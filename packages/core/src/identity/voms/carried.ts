import type { X509Certificate } from 'node:crypto'
import { derChildren, expectTag, readDer, TAG, type DerValue } from '../der.ts'
import { extensionsOf } from '../extensions.ts'
import { readAttributeCertificate, type AttributeCertificate } from './attribute-certificate.ts'
import { orAbsent } from './or-absent.ts'

/** VOMS: attribute certificates in an extension of a proxy. */
export const ATTRIBUTE_CERTIFICATES = '1.3.6.1.4.1.8005.100.100.5'

/** Attribute certificates that one proxy may carry, for as many virtual organisations. */
const MAX_CARRIED = 8

/** A connection shows the same certificate with every request, and what it carries does not change. */
const read = new WeakMap<X509Certificate, readonly AttributeCertificate[]>()

/** The attribute certificates in a certificate that are well formed; nothing of them is verified. */
export function carriedBy(certificate: X509Certificate): readonly AttributeCertificate[] {
  const known = read.get(certificate)
  if (known !== undefined) return known
  const carried = (orAbsent(() => listOf(certificate.raw)) ?? [])
    .map((der) => orAbsent(() => readAttributeCertificate(der)))
    .filter((one) => one !== undefined)
  read.set(certificate, carried)
  return carried
}

/** SEQUENCE OF SEQUENCE OF AttributeCertificate; the outer one has one member. */
function listOf(certificate: Buffer): readonly DerValue[] {
  const [tbs] = derChildren(readDer(certificate, TAG.sequence))
  const extensions = derChildren(expectTag(tbs, TAG.sequence)).find(({ tag }) => tag === 0xa3)
  if (extensions === undefined) return []
  const found = extensionsOf(readDer(extensions.content, TAG.sequence)).get(ATTRIBUTE_CERTIFICATES)
  if (found === undefined) return []
  const lists = derChildren(found.value, TAG.sequence)
  const carried = lists.length === 1 ? derChildren(lists[0]!, TAG.sequence) : []
  return carried.length > MAX_CARRIED ? [] : carried
}
