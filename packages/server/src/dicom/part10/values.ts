import type { TextKeyword } from '../attributes.ts'
import { TEXT_ATTRIBUTES } from '../attributes.ts'
import { decodeText } from './charset.ts'
import type { Elements } from './elements.ts'

const MAX_TEXT_BYTES = 1024

/** Typed reading of top-level elements: undefined for absent, empty and malformed alike, unless said otherwise. */
export interface Values {
  has(tag: string): boolean
  /** ASCII text without padding, '' when absent */
  ascii(tag: string): string
  /** each value of a multi-valued ASCII text */
  list(tag: string): string[]
  /** US */
  unsigned(tag: string): number | undefined
  /** DS or IS: exactly `count` finite numbers */
  numbers(tag: string, count: number): number[] | undefined
  /** text attributes that have a value */
  text(): Partial<Record<TextKeyword, string>>
}

export function valuesOf({ start, byTag }: Elements): Values {
  const raw = (tag: string): Buffer => {
    const element = byTag.get(tag)
    if (element === undefined || element.length === 0xffffffff) return Buffer.alloc(0)
    return start.bytes.subarray(element.dataOffset, element.dataOffset + element.length)
  }
  const ascii = (tag: string): string => trim(raw(tag).subarray(0, MAX_TEXT_BYTES).toString('latin1'))
  const list = (tag: string): string[] => (ascii(tag) === '' ? [] : ascii(tag).split('\\').map(trim))
  return {
    has: (tag) => byTag.has(tag),
    ascii,
    list,
    unsigned(tag) {
      const bytes = raw(tag)
      if (bytes.length < 2) return undefined
      return start.bigEndian ? bytes.readUInt16BE(0) : bytes.readUInt16LE(0)
    },
    numbers(tag, count) {
      const texts = list(tag)
      if (texts.length !== count || !texts.every(isDecimal)) return undefined
      const numbers = texts.map((text) => Number(text) + 0)
      return numbers.every(Number.isFinite) ? numbers : undefined
    },
    text() {
      const characterSet = ascii('x00080005')
      const found: Partial<Record<TextKeyword, string>> = {}
      for (const [keyword, [tag, kind]] of Object.entries(TEXT_ATTRIBUTES)) {
        const bytes = raw(tag).subarray(0, MAX_TEXT_BYTES)
        const value = kind === 'text' ? trim(decodeText(bytes, characterSet)) : ascii(tag)
        if (value !== '') found[keyword as TextKeyword] = value
      }
      return found
    },
  }
}

function trim(text: string): string {
  return text.replace(/^[ ]+|[\0 ]+$/g, '')
}

/** Decimal string, also longer than the 16 characters DICOM allows: scanners write those. */
function isDecimal(text: string): boolean {
  return /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)
}
