/** What a character set of (0008,0005) is to TextDecoder (DICOM PS3.3 C.12.1.1.2). */
const SINGLE: Readonly<Record<string, string>> = {
  'ISO_IR 6': 'iso-8859-1',
  'ISO_IR 100': 'iso-8859-1',
  'ISO_IR 101': 'iso-8859-2',
  'ISO_IR 109': 'iso-8859-3',
  'ISO_IR 110': 'iso-8859-4',
  'ISO_IR 144': 'iso-8859-5',
  'ISO_IR 127': 'iso-8859-6',
  'ISO_IR 126': 'iso-8859-7',
  'ISO_IR 138': 'iso-8859-8',
  'ISO_IR 148': 'windows-1254',
  'ISO_IR 166': 'windows-874',
  'ISO_IR 203': 'iso-8859-15',
  'ISO_IR 13': 'shift_jis',
  'ISO_IR 192': 'utf-8',
  GB18030: 'gb18030',
  GBK: 'gbk',
}

/** What an escape sequence (without ESC) puts in the lower or upper half of the code table (PS3.5 6.1.2.5). */
const ESCAPES: readonly (readonly [sequence: string, half: 'low' | 'high', set: string])[] = [
  ['$(D', 'low', 'jis0212'],
  ['$B', 'low', 'jis0208'],
  ['(B', 'low', 'ascii'],
  ['(J', 'low', 'ascii'],
  ['$)C', 'high', 'euc-kr'],
  ['$)A', 'high', 'gbk'],
  [')I', 'high', 'shift_jis'],
  ['-A', 'high', 'iso-8859-1'],
  ['-B', 'high', 'iso-8859-2'],
  ['-C', 'high', 'iso-8859-3'],
  ['-D', 'high', 'iso-8859-4'],
  ['-L', 'high', 'iso-8859-5'],
  ['-G', 'high', 'iso-8859-6'],
  ['-F', 'high', 'iso-8859-7'],
  ['-H', 'high', 'iso-8859-8'],
  ['-M', 'high', 'windows-1254'],
  ['-T', 'high', 'windows-874'],
]

/** Making one costs more than a name takes to decode, and an escape in a name may ask for another. */
const DECODERS = new Map<string, TextDecoder>()

function decode(set: string, bytes: Uint8Array): string {
  const decoder = DECODERS.get(set) ?? new TextDecoder(set)
  DECODERS.set(set, decoder)
  return decoder.decode(bytes)
}

/**
 * Decodes a text value of a DICOM object. A set that is not known is read as Latin-1: no character is lost, and nothing
 * is thrown at text.
 *
 * @param specificCharacterSet value of (0008,0005), still with its backslashes
 * @see DICOM PS3.5 section 6.1
 */
export function decodeText(bytes: Uint8Array, specificCharacterSet: string): string {
  const names = specificCharacterSet
    .split('\\')
    .map((name) => name.trim().replace(/^ISO 2022 IR /, 'ISO_IR '))
  const first = SINGLE[names[0] ?? ''] ?? 'iso-8859-1'
  if (bytes.includes(0x1b)) return decodeEscaped(bytes, first)
  return decode(first, bytes)
}

/** ISO 2022: each half of the code table has its own set, which an escape changes and a delimiter resets. */
function decodeEscaped(bytes: Uint8Array, first: string): string {
  const initialHigh = first === 'utf-8' ? 'iso-8859-1' : first
  let low = 'ascii'
  let high = initialHigh
  let text = ''
  let at = 0
  while (at < bytes.length) {
    if (bytes[at] === 0x1b) {
      const rest = Buffer.from(bytes.subarray(at + 1, at + 4)).toString('latin1')
      const escape = ESCAPES.find(([sequence]) => rest.startsWith(sequence))
      if (escape?.[1] === 'low') low = escape[2]
      if (escape?.[1] === 'high') high = escape[2]
      at += 1 + (escape?.[0].length ?? 0)
      continue
    }
    const upper = bytes[at]! >= 0x80
    let end = at + 1
    while (
      end < bytes.length &&
      bytes[end] !== 0x1b &&
      bytes[end]! >= 0x80 === upper &&
      !resets(bytes[end]!, low)
    )
      end++
    text += upper ? decode(high, bytes.subarray(at, end)) : decodeLow(bytes.subarray(at, end), low)
    if (end < bytes.length && resets(bytes[end]!, low)) {
      text += String.fromCharCode(bytes[end]!)
      low = 'ascii'
      high = initialHigh
      end++
    }
    at = end
  }
  return text
}

/** True for the delimiters ^ = \ where they are no half of a two-byte character. */
function resets(byte: number, low: string): boolean {
  return low === 'ascii' && (byte === 0x5e || byte === 0x3d || byte === 0x5c)
}

function decodeLow(bytes: Uint8Array, set: string): string {
  if (set === 'ascii') return Buffer.from(bytes).toString('latin1')
  const euc: number[] = []
  for (let i = 0; i + 1 < bytes.length; i += 2) {
    if (set === 'jis0212') euc.push(0x8f)
    euc.push(bytes[i]! | 0x80, bytes[i + 1]! | 0x80)
  }
  return decode('euc-jp', Uint8Array.from(euc))
}
