import { MdmError } from '../errors.ts'
import { attributeOid } from './attribute-types.ts'

/** One attribute of a name: its type and its value, as text or as the DER of a value that is no text. */
export interface Attribute {
  readonly oid: string
  readonly value: string | Buffer
}

/** A name as RFC 4514 orders it: the most specific part first; each part holds one attribute, rarely several. */
export type NameParts = readonly (readonly Attribute[])[]

/**
 * Reads the form of RFC 4514, `CN=Alice Martin,O=Hospital,C=FR`; spaces around separators do no harm.
 *
 * @throws MDM_USAGE when malformed or of an unknown attribute type
 */
export function readRfc4514(text: string): NameParts {
  const parts: Attribute[][] = [[]]
  let at = 0
  for (;;) {
    const type = matchAt(/\s*([A-Za-z0-9.-]+)\s*=\s*/y, text, at)
    if (type === undefined) throw usage('each part must be TYPE=value')
    at += type[0].length
    const hex = matchAt(/#((?:[0-9A-Fa-f]{2})+)\s*(?=[,+]|$)/y, text, at)
    if (hex === undefined && text[at] === '#') throw usage('"#" begins a value in hex')
    // Everything up to a separator; a backslash takes the next character with it.
    const value = hex ?? matchAt(/(?:\\[^]|[^\\,+;"<>])*/y, text, at)!
    parts.at(-1)!.push({
      oid: oidOf(type[1]!),
      value: hex === undefined ? unescape(value[0]) : Buffer.from(hex[1]!, 'hex'),
    })
    at += value[0].length
    if (at === text.length) return parts
    const separator = text[at++]
    if (separator === ',') parts.push([])
    else if (separator !== '+') throw usage(`"${separator}" must be written with a backslash before it`)
  }
}

/**
 * Reads the form of older grid tools, `/C=FR/O=Hospital/CN=Alice Martin`, when it can only mean one name.
 *
 * @throws MDM_USAGE when a value may hold a slash, or several attributes may stand in one part
 */
export function readSlashForm(text: string): NameParts {
  const parts = text
    .slice(1)
    .split('/')
    .map((part) => {
      const match = /^([A-Za-z0-9.]+)=([^]*)$/.exec(part)
      if (match === null || /[\\<>"]|\+\s*[A-Za-z0-9.]+\s*=/.test(match[2]!)) {
        throw usage('the form with slashes is ambiguous here: write "CN=...,O=...,C=..."')
      }
      return [{ oid: oidOf(match[1]!), value: match[2]! }]
    })
  return parts.reverse()
}

/** A value with a backslash before what RFC 4514 section 2.4 reserves, and invisible characters as bytes in hex. */
export function escapeValue(text: string): string {
  return text
    .replace(/["+,;<>\\]|^#|^ | $/g, '\\$&')
    .replace(/[\p{C}\p{Zl}\p{Zp}]|\p{Default_Ignorable_Code_Point}/gu, (c) =>
      Buffer.from(c).toString('hex').toUpperCase().replace(/../g, '\\$&'),
    )
}

function unescape(value: string): string {
  return value.replace(/((?:\\[0-9A-Fa-f]{2})+)|\\([^])/g, (_, bytes?: string, character?: string) => {
    if (bytes === undefined) return special(character!)
    try {
      return utf8.decode(Buffer.from(bytes.replaceAll('\\', ''), 'hex'))
    } catch {
      throw usage('bytes in hex that are not UTF-8')
    }
  })
}

function special(character: string): string {
  if (!' #="+,;<>\\'.includes(character)) throw usage('a backslash before a character that needs none')
  return character
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function oidOf(type: string): string {
  const oid = attributeOid(type)
  if (oid === undefined)
    throw usage(
      `"${type.slice(0, 32)}" is no attribute type; use CN, O, OU, C, DC, UID, emailAddress or an OID`,
    )
  return oid
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at
  return pattern.exec(text) ?? undefined
}

function usage(why: string): MdmError {
  return new MdmError('MDM_USAGE', `not a distinguished name: ${why}`)
}
