/** Character sets of DICOM beside Unicode, by the names that TextDecoder knows (WHATWG Encoding), as one or two bytes a character. */
const SINGLE = [
  ...['iso-8859-1', 'iso-8859-2', 'iso-8859-3', 'iso-8859-4', 'iso-8859-5', 'iso-8859-6', 'iso-8859-7'],
  ...['iso-8859-8', 'windows-1254', 'iso-8859-15', 'windows-874', 'koi8-r', 'windows-1252'],
] as const
const DOUBLE = ['euc-jp', 'shift_jis', 'gb18030', 'euc-kr', 'big5'] as const

export const CHARSETS = [...SINGLE, ...DOUBLE] as const
export type Charset = (typeof CHARSETS)[number]

/** Turns text into the bytes it has in one character set; undefined where a character is not in it. */
export type Encode = (text: string) => Buffer | undefined

const encoders = new Map<Charset, Encode>()

/** Node decodes these sets and encodes none of them: what each byte or pair decodes to is read backwards. */
export function encoderOf(charset: Charset): Encode {
  const known = encoders.get(charset)
  if (known !== undefined) return known
  const bytesOf = new Map<string, Buffer>()
  const decoder = new TextDecoder(charset, { fatal: true })
  const note = (...bytes: number[]) => {
    try {
      const text = decoder.decode(Uint8Array.from(bytes))
      if ([...text].length === 1 && !bytesOf.has(text)) bytesOf.set(text, Buffer.from(bytes))
    } catch {
      // no character
    }
  }
  for (let byte = 0; byte < 256; byte++) note(byte)
  if ((DOUBLE as readonly string[]).includes(charset))
    for (let lead = 0x81; lead < 0xff; lead++) for (let trail = 0x40; trail < 0xff; trail++) note(lead, trail)
  const encode: Encode = (text) => {
    const pieces = [...text].map((letter) => bytesOf.get(letter))
    return pieces.some((piece) => piece === undefined) ? undefined : Buffer.concat(pieces as Buffer[])
  }
  encoders.set(charset, encode)
  return encode
}
