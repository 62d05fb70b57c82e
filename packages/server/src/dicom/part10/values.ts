import type { TextKeyword } from '../attributes.ts'
import { TEXT_ATTRIBUTES } from '../attributes.ts'
import { decodeText } from './charset.ts'
import type { Elements } from './elements.ts'
import { UNDEFINED_LENGTH, unsigned16 } from './encoding.ts'
import { decimals, printable, realsAt, trim } from './plain-values.ts'

const MAX_TEXT_BYTES = 1024
/** Of all text attributes of an object together: real ones have less than 2 KiB, and a series has thousands of objects. */
const MAX_TEXTS_BYTES = 8 * 1024
/** Image types have up to ten values. */
const MAX_CODES = 32

/** True for an element of an odd group that reserves a block of it (PS3.5 section 7.8.1). */
function isPrivateCreator(tag: string): boolean {
  return tag[5] === '0' && tag[6] === '0' && tag[7] !== '0' && '13579bdf'.includes(tag[4]!)
}

const TEXTS = Object.entries(TEXT_ATTRIBUTES) as [TextKeyword, (typeof TEXT_ATTRIBUTES)[TextKeyword]][]

/** Typed reading of top-level elements: undefined for absent, empty and malformed alike, unless said otherwise. */
export interface Values {
  has(tag: string): boolean
  /** ASCII text without padding, '' when absent */
  ascii(tag: string): string
  /** the first values of a multi-valued ASCII text, without control characters */
  codes(tag: string): string[]
  /** US */
  unsigned(tag: string): number | undefined
  /** DS or IS: exactly `count` finite numbers */
  numbers(tag: string, count: number): number[] | undefined
  /** DS or IS: the first of any count of values */
  first(tag: string): number | undefined
  /** FD or FL: exactly `count` finite numbers; without a VR they are what their length says */
  reals(tag: string, count: number): number[] | undefined
  /** tag of an element (two digits) in the block of a group (four) that a private creator has reserved, '' where there is none (PS3.5 section 7.8.1) */
  privateTag(group: string, creator: string, element: string): string
  /** text attributes that have a value; undefined when they are longer than those of any real object */
  text(): Partial<Record<TextKeyword, string>> | undefined
}

export function valuesOf({ start, byTag }: Elements): Values {
  const { bytes } = start
  /** where a value lies, cut after `most` bytes */
  const span = (tag: string, most: number): [from: number, to: number] | undefined => {
    const element = byTag.get(tag)
    if (element === undefined || element.length === UNDEFINED_LENGTH) return undefined
    return [element.dataOffset, element.dataOffset + Math.min(element.length, most)]
  }
  const ascii = (tag: string): string => {
    const found = span(tag, MAX_TEXT_BYTES)
    return found === undefined ? '' : trim(bytes.toString('latin1', ...found))
  }
  const list = (tag: string): string[] => {
    const text = ascii(tag)
    return text === '' ? [] : text.split('\\').map(trim)
  }
  let creators: Map<string, string> | undefined
  /** First four digits of the elements that a private creator has reserved, by group and creator; the first block of several. */
  const creatorsOf = (): Map<string, string> => {
    const found = new Map<string, string>()
    for (const tag of byTag.keys()) {
      if (!isPrivateCreator(tag)) continue
      const key = `${tag.slice(1, 5)} ${ascii(tag)}`
      if (!found.has(key)) found.set(key, tag.slice(0, 5) + tag.slice(7))
    }
    return found
  }
  return {
    has: (tag) => byTag.has(tag),
    ascii,
    codes: (tag) => list(tag).slice(0, MAX_CODES).map(printable),
    unsigned(tag) {
      const [from, to] = span(tag, 2) ?? [0, 0]
      return to - from < 2 ? undefined : unsigned16(bytes, from, start.bigEndian)
    },
    numbers(tag, count) {
      const texts = list(tag)
      return texts.length === count ? decimals(texts) : undefined
    },
    first: (tag) => decimals(list(tag).slice(0, 1))?.[0],
    reals(tag, count) {
      const [from, to] = span(tag, 8 * count + 1) ?? [0, 0]
      const numbers = realsAt(bytes.subarray(from, to), count, start.bigEndian)
      return numbers?.every(Number.isFinite) ? numbers : undefined
    },
    privateTag(group, creator, element) {
      creators ??= creatorsOf()
      const block = creators.get(`${group} ${creator}`)
      return block === undefined ? '' : block + element
    },
    text() {
      const characterSet = ascii('x00080005')
      const found: Partial<Record<TextKeyword, string>> = {}
      let length = 0
      for (const [keyword, [tag, kind]] of TEXTS) {
        const lies = span(tag, MAX_TEXT_BYTES)
        if (lies === undefined) continue
        length += lies[1] - lies[0]
        if (length > MAX_TEXTS_BYTES) return undefined
        const latin = bytes.toString('latin1', ...lies)
        // what is plain ASCII is the same in every character set
        const plain = kind !== 'text' || /^[\x20-\x7e]*$/.test(latin)
        const value = trim(printable(plain ? latin : decodeText(bytes.subarray(...lies), characterSet)))
        if (value !== '') found[keyword] = value
      }
      return found
    },
  }
}
