import { CHARSETS, encoderOf } from './charsets.ts'

/** Bytes that a planted text would show as. */
export interface Needle {
  /** which of the texts, from 0 */
  readonly canary: number
  /** such as utf-8, base64 */
  readonly encoding: string
  readonly bytes: Buffer
}

/** Shorter bytes stand in any image by chance. */
const SHORTEST = 4
/** JIS X 0208 in ISO 2022: 7-bit pairs after this escape (DICOM PS3.5 annex H). */
const TO_JIS = Buffer.from('\x1b$B', 'latin1')

/**
 * All the ways in which texts may stand in a file: UTF-8, UTF-16 in both orders, the character sets of DICOM with and without ISO 2022
 * escapes, JSON escapes, base64 in each of its three alignments, hex.
 *
 * @param canaries texts of 4 bytes and more
 */
export function needlesOf(canaries: readonly string[]): Needle[] {
  return canaries.flatMap((text, canary) => {
    const found = new Map<string, Needle>()
    const add = (encoding: string, bytes: Buffer | undefined) => {
      if (bytes === undefined || bytes.length < SHORTEST) return
      const key = bytes.toString('latin1')
      if (!found.has(key)) found.set(key, { canary, encoding, bytes })
    }
    const utf8 = Buffer.from(text)
    const utf16 = Buffer.from(text, 'utf16le')
    add('utf-8', utf8)
    add('utf-16le', utf16)
    add('utf-16be', Buffer.from(utf16).swap16())
    for (const run of plainRuns(text)) for (const charset of CHARSETS) add(charset, encoderOf(charset)(run))
    for (const run of text.match(/[^\x00-\x7f]{2,}/g) ?? []) add('iso-2022-jp', jis(run))
    if (/[^\x20-\x7e]/.test(text)) add('json', Buffer.from(escaped(text)))
    for (let shift = 0; shift < 3; shift++) add('base64', base64(utf8, shift))
    add('hex', Buffer.from(utf8.toString('hex')))
    add('hex', Buffer.from(utf8.toString('hex').toUpperCase()))
    return [...found.values()]
  })
}

/** Within ISO 2022, escapes stand between runs of letters and what parts them, so each run is looked for alone. */
function plainRuns(text: string): string[] {
  return /[^\x00-\x7f]/.test(text) ? [text, ...(text.match(/[^\x00-\x7f]{2,}/g) ?? [])] : [text]
}

function jis(text: string): Buffer | undefined {
  const pairs = encoderOf('euc-jp')(text)
  if (pairs === undefined || pairs.length !== 2 * [...text].length) return undefined
  return Buffer.concat([TO_JIS, pairs.map((byte) => byte & 0x7f)])
}

function escaped(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** The letters of base64 that only the text decides, when `shift` bytes of something else stand before it. */
function base64(bytes: Buffer, shift: number): Buffer | undefined {
  const encoded = Buffer.concat([Buffer.alloc(shift), bytes])
    .toString('base64')
    .replace(/=+$/, '')
  const from = Math.ceil((shift * 8) / 6)
  const to = Math.floor(((shift + bytes.length) * 8) / 6)
  return to - from < 6 ? undefined : Buffer.from(encoded.slice(from, to))
}
