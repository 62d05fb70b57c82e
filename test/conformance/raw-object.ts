import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'

/** A data element with all that a writer of DICOM would decide by itself. */
export interface Element {
  /** group and element, eight hexadecimal digits */
  tag: string
  vr: string
  /** text, bytes, numbers of the VR, items of a sequence, or fragments of encapsulated pixels */
  value:
    string | Buffer | readonly number[] | readonly (readonly Element[])[] | { fragments: readonly Buffer[] }
  /** of the sequence and its items; its delimiters are written */
  undefinedLength?: boolean
  /** leaves the value at its odd length, which is not allowed and happens */
  odd?: boolean
}

export interface Encoding {
  explicit: boolean
  bigEndian: boolean
}

export const SYNTAXES = {
  implicit: '1.2.840.10008.1.2',
  explicit: '1.2.840.10008.1.2.1',
  deflated: '1.2.840.10008.1.2.1.99',
  bigEndian: '1.2.840.10008.1.2.2',
  jpegLossless: '1.2.840.10008.1.2.4.70',
  jpegLs: '1.2.840.10008.1.2.4.80',
  jpeg2000: '1.2.840.10008.1.2.4.90',
  rle: '1.2.840.10008.1.2.5',
} as const

export function encodingOf(transferSyntax: string): Encoding {
  return {
    explicit: transferSyntax !== SYNTAXES.implicit,
    bigEndian: transferSyntax === SYNTAXES.bigEndian,
  }
}

/** A data set as it is stored in a transfer syntax. */
export function encodeDataSet(elements: readonly Element[], transferSyntax: string): Buffer {
  const bytes = encode(elements, encodingOf(transferSyntax))
  return transferSyntax === SYNTAXES.deflated ? padded(deflateRawSync(bytes), '\0') : bytes
}

/** A file of DICOM PS3.10; `more` are further elements of its meta information. */
export function encodeFile(
  dataSet: Buffer,
  sopClass: string,
  sop: string,
  transferSyntax: string,
  more: readonly Element[] = [],
): Buffer {
  const meta = encode(
    [
      { tag: '00020001', vr: 'OB', value: Buffer.from([0, 1]) },
      { tag: '00020002', vr: 'UI', value: sopClass },
      { tag: '00020003', vr: 'UI', value: sop },
      { tag: '00020010', vr: 'UI', value: transferSyntax },
      { tag: '00020012', vr: 'UI', value: '1.2.826.0.1.3680043.2.1143' },
      ...more,
    ],
    { explicit: true, bigEndian: false },
  )
  const length = encode([{ tag: '00020000', vr: 'UL', value: [meta.length] }], {
    explicit: true,
    bigEndian: false,
  })
  return Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), length, meta, dataSet])
}

/** VRs whose explicit length has four bytes, after two that are reserved (PS3.5 7.1.2). */
const LONG = new Set(['OB', 'OD', 'OF', 'OL', 'OW', 'SQ', 'UC', 'UN', 'UR', 'UT'])
const NUMBERS: Readonly<Record<string, [bytes: number, write: 'Int' | 'UInt' | 'Float' | 'Double']>> = {
  ...{ US: [2, 'UInt'], SS: [2, 'Int'], AT: [2, 'UInt'], OW: [2, 'UInt'] },
  ...{ UL: [4, 'UInt'], SL: [4, 'Int'], FL: [4, 'Float'], FD: [8, 'Double'] },
}
const UNDEFINED = 0xffffffff

function encode(elements: readonly Element[], to: Encoding): Buffer {
  return Buffer.concat(elements.map((element) => encodeElement(element, to)))
}

function encodeElement(
  { tag, vr, value, undefinedLength = false, odd = false }: Element,
  to: Encoding,
): Buffer {
  if (typeof value === 'object' && 'fragments' in value) {
    const items = value.fragments.map((bytes) => item(bytes, to))
    return Buffer.concat([head(tag, vr, UNDEFINED, to), ...items, mark('fffee0dd', 0, to)])
  }
  if (isItems(value)) {
    // Of an unknown VR, content is implicit little endian whatever is around it (PS3.5 6.2.2).
    const inside = vr === 'UN' ? { explicit: false, bigEndian: false } : to
    const items = value.map((elements) => {
      const bytes = encode(elements, inside)
      if (!undefinedLength) return item(bytes, inside)
      return Buffer.concat([mark('fffee000', UNDEFINED, inside), bytes, mark('fffee00d', 0, inside)])
    })
    const bytes = Buffer.concat(undefinedLength ? [...items, mark('fffee0dd', 0, inside)] : items)
    return Buffer.concat([head(tag, vr, undefinedLength ? UNDEFINED : bytes.length, to), bytes])
  }
  const plain = encodeValue(vr, value, to)
  const bytes = odd ? plain : padded(plain, vr === 'UI' || Buffer.isBuffer(value) ? '\0' : ' ')
  return Buffer.concat([head(tag, vr, bytes.length, to), bytes])
}

function isItems(value: Element['value']): value is readonly (readonly Element[])[] {
  return Array.isArray(value) && (value.length === 0 || Array.isArray(value[0]))
}

function encodeValue(
  vr: string,
  value: string | Buffer | readonly number[],
  { bigEndian }: Encoding,
): Buffer {
  if (typeof value === 'string') return Buffer.from(value, 'utf8')
  if (Buffer.isBuffer(value)) return value
  const [bytes, type] = NUMBERS[vr]!
  const view = new DataView(new ArrayBuffer(value.length * bytes))
  for (const [n, number] of (value as readonly number[]).entries()) {
    if (type === 'Double') view.setFloat64(n * 8, number, !bigEndian)
    else if (type === 'Float') view.setFloat32(n * 4, number, !bigEndian)
    else if (bytes === 4) view.setUint32(n * 4, number, !bigEndian)
    else view.setUint16(n * 2, number, !bigEndian)
  }
  return Buffer.from(view.buffer)
}

function padded(bytes: Buffer, by: string): Buffer {
  return bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.from(by)])
}

function item(bytes: Buffer, to: Encoding): Buffer {
  return Buffer.concat([mark('fffee000', bytes.length, to), bytes])
}

/** Items and delimiters have no VR in any encoding. */
function mark(tag: string, length: number, to: Encoding): Buffer {
  return head(tag, '', length, { ...to, explicit: false })
}

function head(tag: string, vr: string, length: number, { explicit, bigEndian }: Encoding): Buffer {
  const view = new DataView(new ArrayBuffer(12))
  view.setUint16(0, Number.parseInt(tag.slice(0, 4), 16), !bigEndian)
  view.setUint16(2, Number.parseInt(tag.slice(4), 16), !bigEndian)
  const bytes = Buffer.from(view.buffer)
  if (explicit) bytes.write(vr, 4, 'latin1')
  if (explicit && !LONG.has(vr)) {
    view.setUint16(6, length, !bigEndian)
    return bytes.subarray(0, 8)
  }
  view.setUint32(explicit ? 8 : 4, length, !bigEndian)
  return explicit ? bytes : bytes.subarray(0, 8)
}

/**
 * The values of a data set, one line for each, whatever the lengths of its sequences are written as: what a server keeps
 * that writes data sets anew.
 *
 * @param sequences tags that are sequences, which an implicit data set does not say
 */
export function valuesOf(stored: Buffer, transferSyntax: string, sequences: ReadonlySet<string>): string[] {
  const to = encodingOf(transferSyntax)
  const dataSet =
    transferSyntax === SYNTAXES.deflated
      ? inflateRawSync(stored, { finishFlush: constants.Z_SYNC_FLUSH })
      : stored
  const values: string[] = []
  const read = to.bigEndian ? 'BE' : 'LE'
  const u16 = (at: number): number => dataSet[`readUInt16${read}`](at)
  const u32 = (at: number): number => dataSet[`readUInt32${read}`](at)
  const tagAt = (at: number): string =>
    u16(at).toString(16).padStart(4, '0') +
    u16(at + 2)
      .toString(16)
      .padStart(4, '0')

  /** @returns where the elements end: at `end`, or behind the delimiter of an item */
  function elements(from: number, end: number, path: string, explicit: boolean): number {
    let at = from
    while (at < end) {
      const tag = tagAt(at)
      if (tag === 'fffee00d') return at + 8
      const vr = explicit ? dataSet.toString('latin1', at + 4, at + 6) : ''
      const long = !explicit || LONG.has(vr)
      const length = long ? u32(at + (explicit ? 8 : 4)) : u16(at + 6)
      at += explicit && long ? 12 : 8
      if (sequences.has(tag) || (tag === '7fe00010' && length === UNDEFINED))
        at = items(at, length === UNDEFINED ? end : at + length, `${path}/${tag}`, explicit && vr !== 'UN')
      else {
        if (length === UNDEFINED) throw new Error(`${tag} has no length`)
        values.push(`${path}/${tag}=${dataSet.toString('hex', at, at + length)}`)
        at += length
      }
    }
    return at
  }
  function items(from: number, end: number, path: string, explicit: boolean): number {
    values.push(`${path}=sequence`)
    let at = from
    for (let n = 0; at < end; n++) {
      const [tag, length] = [tagAt(at), u32(at + 4)]
      at += 8
      if (tag === 'fffee0dd') return at
      values.push(`${path}/${n}=item`)
      if (path.endsWith('/7fe00010')) {
        values.push(`${path}/${n}=${dataSet.toString('hex', at, at + length)}`)
        at += length
        continue
      }
      at = elements(at, length === UNDEFINED ? end : at + length, `${path}/${n}`, explicit)
    }
    return at
  }
  elements(0, dataSet.length, '', to.explicit)
  return values
}
