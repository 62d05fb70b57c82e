import { z } from 'zod'
import { MdmError } from '../errors.ts'
import { attributeName } from './attribute-types.ts'
import { derChildren, derOid, malformed, readDer, TAG, type DerValue } from './der.ts'
import { escapeValue, readRfc4514, readSlashForm, type Attribute, type NameParts } from './dn-text.ts'
import { foldText, isDirectoryString, refusal, textOf, trimSpaces } from './name-values.ts'

const MAX_TEXT = 2048
const MAX_PARTS = 64

/**
 * A distinguished name in canonical form: two names are the same exactly if the strings are equal.
 *
 * The form is RFC 4514 (most specific part first), each value in NFC and case folded, the attributes of a multi-valued
 * part sorted. As a schema it takes only canonical names that a person could have typed: docs/formats/statements.md.
 */
export const Dn = z
  .string()
  .max(MAX_TEXT)
  .refine(isCanonical, 'not a canonical distinguished name')
  .brand<'Dn'>()
export type Dn = z.infer<typeof Dn>

/**
 * Reads a name that a person typed, as RFC 4514 or in the unambiguous form with slashes.
 *
 * Refused, since they could pass for another name: control and invisible characters, unassigned and private ones, empty
 * values, words of mixed alphabets.
 *
 * @throws MDM_USAGE
 */
export function parseDn(text: string): Dn {
  if (text.length > MAX_TEXT) throw usage('too long')
  const parts = text.startsWith('/') ? readSlashForm(text) : readRfc4514(text)
  const known = parts.map((part) => part.map(fromText))
  for (const { value } of known.flat()) {
    const reason = typeof value === 'string' ? refusal(foldText(value)) : undefined
    if (reason !== undefined) throw usage(reason)
  }
  const dn = canonical(known)
  if (dn === undefined) throw usage('too long, or the same attribute twice in one part')
  return dn
}

/**
 * The canonical name of a DER Name, such as the subject of a certificate. Invisible characters do not fail here: they stay,
 * written as bytes in hex, so that the name equals no other.
 *
 * @throws MDM_UNAUTHENTICATED when malformed, empty or longer than 2048 characters
 */
export function dnFromDer(der: Buffer): Dn {
  const parts = derChildren(readDer(der, TAG.sequence)).map((part) => {
    const attributes = derChildren(part, TAG.set).map(fromDer)
    if (attributes.length === 0) throw malformed('an empty part of a name')
    return attributes
  })
  const dn = canonical(parts.reverse())
  if (dn === undefined) throw malformed('a name that is empty, too long or repeats itself')
  return dn
}

/**
 * The attributes of a name that a person typed, as typed and from the root down: what a certificate is made with.
 *
 * @throws MDM_USAGE as parseDn, and for a part of several attributes
 */
export function nameAttributes(text: string): { oid: string; value: string }[] {
  parseDn(text)
  const parts = text.startsWith('/') ? readSlashForm(text) : readRfc4514(text)
  return parts.toReversed().map(([attribute, ...others]) => {
    const { oid, value } = attribute!
    if (others.length > 0 || typeof value !== 'string') throw usage('one attribute in each part, as text')
    return { oid, value: trimSpaces(value.normalize('NFC')) }
  })
}

/** A canonical name for people to read: RFC 4514 with a space after each comma. parseDn reads it back. */
export function displayDn(dn: Dn): string {
  return rdnsOf(dn).join(', ')
}

/** True when `dn` lies below `suffix`: whole parts are compared, never text. */
export function isBelow(dn: Dn, suffix: Dn): boolean {
  const parts = rdnsOf(dn)
  const root = rdnsOf(suffix)
  return parts.length > root.length && root.every((part, i) => part === parts[parts.length - root.length + i])
}

function isCanonical(text: string): boolean {
  try {
    return parseDn(text) === text
  } catch {
    return false
  }
}

/** The parts of a canonical name as written, the most specific first. */
export function rdnsOf(dn: Dn): string[] {
  return dn.match(/(?:[^\\,]|\\[^])+/g) ?? []
}

function canonical(parts: NameParts): Dn | undefined {
  const written = parts.map((part) => part.map(writeAttribute).sort())
  const repeats = written.some((part) => new Set(part).size < part.length)
  const text = written.map((part) => part.join('+')).join(',')
  const fits = parts.length > 0 && parts.length <= MAX_PARTS && text.length <= MAX_TEXT
  return fits && !repeats ? (text as Dn) : undefined
}

function writeAttribute({ oid, value }: Attribute): string {
  const written = typeof value === 'string' ? escapeValue(foldText(value)) : `#${value.toString('hex')}`
  return `${attributeName(oid) ?? oid}=${written}`
}

function fromDer(attribute: DerValue): Attribute {
  const [type, value, ...rest] = derChildren(attribute, TAG.sequence)
  if (value === undefined || rest.length > 0) throw malformed('an attribute of a name')
  return attributeOf(derOid(type), value)
}

/**
 * Attribute types we know compare as text whatever their string type. Of one we do not know only directory strings surely
 * do; any other value stays as its bytes.
 */
function attributeOf(oid: string, value: DerValue): Attribute {
  const text = textOf(value)
  if (attributeName(oid) !== undefined) {
    if (text === undefined) throw malformed('a name that is not text')
    return { oid, value: text }
  }
  return { oid, value: text !== undefined && isDirectoryString(value.tag) ? text : value.raw }
}

function fromText(attribute: Attribute): Attribute {
  if (typeof attribute.value === 'string') return attribute
  try {
    return attributeOf(attribute.oid, readDer(attribute.value))
  } catch (cause) {
    throw new MdmError('MDM_USAGE', 'not a distinguished name: a value in hex that is not DER', { cause })
  }
}

function usage(why: string): MdmError {
  return new MdmError('MDM_USAGE', `not a distinguished name: ${why}`)
}
