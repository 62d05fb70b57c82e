import { malformed, TAG, type DerValue } from './der.ts'

/**
 * The text of an attribute value of a name, as the certificate writes it.
 *
 * UTF8String, PrintableString, IA5String, NumericString and BMPString are text. TeletexString and UniversalString are
 * refused, since nobody agrees on what TeletexString means; any other type is no text: undefined.
 *
 * @throws MDM_UNAUTHENTICATED when the bytes are not of their string type
 * @see RFC 5280 section 4.1.2.4; X.690 section 8.23
 */
export function textOf(value: DerValue): string | undefined {
  const { tag, content } = value
  if (tag === TAG.utf8) return utf8Text(content)
  if (tag === TAG.printable || tag === TAG.ia5 || tag === TAG.numeric) {
    if (content.some((octet) => octet > 0x7f)) throw malformed('a name that is not ASCII where it must be')
    return content.toString('latin1')
  }
  if (tag === TAG.bmp) return ucs2Text(content)
  if (tag === TELETEX || tag === UNIVERSAL) throw malformed('a string type nobody should use any more')
  return undefined
}

/** True for the string types whose values compare without regard to case (RFC 4517 section 4.2.11). */
export function isDirectoryString(tag: number): boolean {
  return tag === TAG.utf8 || tag === TAG.printable || tag === TAG.bmp
}

/**
 * Two texts name the same exactly if this gives the same for both: canonical composition, Unicode full case folding, outer
 * spaces dropped and inner ones collapsed. Control characters are kept, since a name with a newline is another name.
 *
 * @see RFC 4518 section 2; Unicode 15 section 3.13, D145 (canonical caseless matching)
 */
export function foldText(text: string): string {
  // Lower, upper, lower is full case folding for every character but the dotless i, which folds to itself.
  const folded = Array.from(text.normalize('NFD'), (c) =>
    c === '\u0131' ? c : c.toLowerCase().toUpperCase().toLowerCase(),
  ).join('')
  return trimSpaces(folded.normalize('NFC'))
}

/** Outer spaces dropped, inner runs made one; only space characters, never control characters. */
export function trimSpaces(text: string): string {
  return text.replace(/\p{Zs}+/gu, ' ').replace(/^ | $/g, '')
}

/** What a text must not hold when a person types it into an access list; the reason, or undefined when it is fine. */
export function refusal(text: string): string | undefined {
  if (trimSpaces(text) === '') return 'an empty value'
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|\p{Default_Ignorable_Code_Point}/u.test(text))
    return 'a control or invisible character'
  if (/[\p{Co}\p{Cs}\p{Cn}]/u.test(text)) return 'a character that is not assigned'
  const words = text.match(/[\p{L}\p{M}]+/gu) ?? []
  if (words.some((word) => LOOKALIKES.filter((script) => script.test(word)).length > 1)) {
    return 'a word that mixes alphabets which look alike'
  }
  return undefined
}

/** Alphabets whose letters pass for each other. */
const LOOKALIKES = [
  /\p{Script=Latin}/u,
  /\p{Script=Cyrillic}/u,
  /\p{Script=Greek}/u,
  /\p{Script=Armenian}/u,
  /\p{Script=Cherokee}/u,
  /\p{Script=Coptic}/u,
]

const TELETEX = 0x14
const UNIVERSAL = 0x1c
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function utf8Text(content: Buffer): string {
  try {
    return strict.decode(content)
  } catch (cause) {
    throw malformed('a name that is not UTF-8', cause)
  }
}

function ucs2Text(content: Buffer): string {
  if (content.length % 2 !== 0) throw malformed('a name of half a character')
  const text = Buffer.from(content).swap16().toString('utf16le')
  // BMPString is UCS-2: a surrogate in it has no meaning (X.680 section 41.15).
  if (/[\ud800-\udfff]/.test(text)) throw malformed('a name outside its string type')
  return text
}
