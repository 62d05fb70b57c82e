import { deflateRawSync } from 'node:zlib'
import { writeObject, type Attributes } from '@mdm/server/dicom/dcmjs/write-object'
import {
  pixelBytes,
  pixelSpan,
  readBareHeader,
  readFileMeta,
  readHeader,
} from '@mdm/server/dicom/part10/index'
import { planSeries } from '@mdm/server/volume/group'
import t from 'tap'
import * as hostile from '../../../fuzz/dataset/hostile.ts'
import {
  element,
  EXPLICIT,
  fragments,
  ITEM,
  ITEM_END,
  mark,
  nested,
  SEQUENCE_END,
  withSyntax,
} from '../../../fuzz/dataset/write.ts'

const UNDEFINED = 0xffffffff
const IMPLICIT = { explicit: false, bigEndian: false }
const DEFLATED = '1.2.840.10008.1.2.1.99'

const OBJECT: Attributes = {
  SOPClassUID: '1.2.840.10008.5.1.4.1.1.2',
  SOPInstanceUID: '1.2.3.4',
  StudyInstanceUID: '1.2.3',
  SeriesInstanceUID: '1.2.3.1',
  Modality: 'CT',
  PatientName: 'CANARY^NAME',
  SliceThickness: '1',
  ImagePositionPatient: ['0', '0', '0'],
  ImageOrientationPatient: ['1', '0', '0', '0', '1', '0'],
  PixelSpacing: ['1', '1'],
  Rows: 2,
  Columns: 3,
  SamplesPerPixel: 1,
  PhotometricInterpretation: 'MONOCHROME2',
  BitsAllocated: 16,
  BitsStored: 16,
  HighBit: 15,
  PixelRepresentation: 0,
  PixelData: Uint16Array.of(1, 2, 3, 4, 5, 6).buffer,
}
const FILE = writeObject(OBJECT)
const { end: META } = readFileMeta(FILE)!
const PIXELS = FILE.indexOf(Buffer.from([0xe0, 0x7f, 0x10, 0]), META)

/** The object with a piece put in before an element, by tag; before the pixels where none is said. */
function having(piece: Buffer, before = 0x7fe00010): Buffer {
  const tag = Buffer.from([before >>> 16, before >>> 24, before, before >>> 8])
  const at = before === 0x7fe00010 ? PIXELS : FILE.indexOf(tag, META)
  return Buffer.concat([FILE.subarray(0, at), piece, FILE.subarray(at)])
}

/** What becomes of one object: of its header, then of the series that it is alone. */
function verdict(file: Buffer): string {
  let header
  try {
    header = readHeader(file)
  } catch (error) {
    return `throws ${(error as { code?: string }).code}`
  }
  const { volumes, refused } = planSeries([header])
  return volumes.length === 1 ? 'a volume' : refused.map(({ code }) => code).join()
}

const long = (vr: string, length = UNDEFINED) => element(0x00091001, vr, '', EXPLICIT, length)
const item = (content: Buffer) => Buffer.concat([mark(ITEM, EXPLICIT, UNDEFINED), content, mark(ITEM_END)])
const sequence = (vr: string, content: Buffer, tag = 0x00091001) =>
  Buffer.concat([element(tag, vr, '', EXPLICIT, UNDEFINED), content, mark(SEQUENCE_END)])
const deflated = (dataSet: Buffer) =>
  Buffer.concat([withSyntax(FILE.subarray(0, META), DEFLATED), deflateRawSync(dataSet)])

/** Sound, if odd: each must make the volume that it makes without the oddity. */
const ODD: Record<string, Buffer> = {
  'as it is': FILE,
  'an empty sequence of undefined length': having(sequence('SQ', Buffer.alloc(0))),
  'a private sequence of undefined length': having(sequence('SQ', item(element(0x00091002, 'LO', 'x ')))),
  'a sequence that was passed on as UN': having(
    sequence('UN', item(element(0x00091002, '', 'x ', IMPLICIT))),
  ),
  'a private value in fragments': having(
    sequence('OB', Buffer.concat([mark(ITEM), mark(ITEM, EXPLICIT, 4), Buffer.from('abcd')])),
  ),
  'the delimiter of a sequence inside of a fragment': having(
    sequence('OB', Buffer.concat([mark(ITEM, EXPLICIT, 8), mark(SEQUENCE_END)])),
  ),
  'a sequence with a length, and nonsense in it': having(element(0x00091001, 'SQ', 'nonsense')),
  'sequences sixty deep': having(nested(60, { closed: true })),
  '64-bit numbers before the pixels': having(element(0x7fe00001, 'OV', Buffer.alloc(16))),
  'an icon with pixels of its own': having(sequence('SQ', item(element(0x7fe00010, 'OW', 'zz')), 0x00880200)),
  'a group length that lies': having(element(0x00180000, 'UL', Buffer.alloc(4, 255)), 0x00180050),
  'a meta group length that lies': Buffer.from(FILE).fill(255, 140, 144),
  'no meta group length': Buffer.concat([FILE.subarray(0, 132), FILE.subarray(144)]),
  'no meta information': FILE.subarray(META),
  'no meta information, and the letters of the preamble in a value': lettersInValue(),
  'an empty transfer syntax': withSyntax(FILE, ''),
  'trailing padding': Buffer.concat([FILE, element(0xfffcfffc, 'OB', Buffer.alloc(100))]),
  'more pixels than rows and columns say': writeObject({
    ...OBJECT,
    PixelData: new Uint16Array(5000).buffer,
  }),
  'UIDs that are words': writeObject({
    ...OBJECT,
    StudyInstanceUID: 'a0f3 '.trim(),
    SeriesInstanceUID: 'three',
  }),
  'an empty thickness beside a spacing': writeObject({
    ...OBJECT,
    SliceThickness: '',
    SpacingBetweenSlices: '2',
  }),
}
/** Refused, and how. */
const BAD: Record<string, [how: string, file: Buffer]> = {
  'the transfer syntax made UN': ['throws MDM_DICOM', vrOfSyntax('UN')],
  'a length of more than there is': ['MDM_DICOM', having(long('OB', 5000))],
  'a length of 4 GiB': ['MDM_DICOM', having(long('OB', 0xfffffffe))],
  'a sequence that does not end': ['MDM_DICOM', having(long('SQ'))],
  'an item that does not end': [
    'MDM_DICOM',
    having(Buffer.concat([long('SQ'), mark(ITEM, EXPLICIT, UNDEFINED)])),
  ],
  'an item longer than the object': [
    'MDM_DICOM',
    having(Buffer.concat([long('SQ'), mark(ITEM, EXPLICIT, 99_999)])),
  ],
  'the end of an item where a sequence ends': ['MDM_DICOM', having(sequence('SQ', mark(ITEM_END)))],
  'text of undefined length': [
    'MDM_DICOM',
    having(Buffer.concat([long('UT'), Buffer.from('text without end')])),
  ],
  'sequences ten thousand deep': ['MDM_DICOM', having(nested(10_000, { closed: true }))],
  'UN sequences ten thousand deep': ['MDM_DICOM', having(nested(10_000, { vr: 'UN', closed: true }))],
  'very many elements': ['MDM_DICOM', having(hostile.manyElements(EXPLICIT, 0.5))],
  'very many items': ['MDM_DICOM', having(hostile.manyItems(EXPLICIT, 1))],
  'very many sequences without an end': ['MDM_DICOM', having(hostile.manyUnended(EXPLICIT, 0.5, 'UN'))],
  'a deflate bomb of zeros': ['throws MDM_DICOM', bomb(hostile.bomb('zeros'))],
  'a deflate bomb of elements': ['throws MDM_DICOM', bomb(hostile.bomb('elements'))],
  'a deflate bomb of items': ['throws MDM_DICOM', bomb(hostile.bomb('items'))],
  'empty blocks without end': ['throws MDM_DICOM', bomb(hostile.emptyBlocks())],
  'no deflated bytes': ['throws MDM_DICOM', bomb(Buffer.from('not deflated'))],
  'pixels of 2 GiB in 1 KiB': ['MDM_DICOM', pixelsDeclared(0x80000000, { Rows: 32_768, Columns: 32_768 })],
  'pixels in fragments': ['MDM_DICOM', Buffer.concat([FILE.subarray(0, PIXELS), fragments(2, 8)])],
  'pixels that are not there': ['MDM_NOT_AN_IMAGE', FILE.subarray(0, PIXELS)],
  'rows and columns of more': ['MDM_DICOM', writeObject({ ...OBJECT, Rows: 65_535, Columns: 65_535 })],
  'no rows': ['MDM_DICOM', writeObject({ ...OBJECT, Rows: 0 })],
  'twelve bits allocated': [
    'MDM_PIXELS',
    writeObject({ ...OBJECT, BitsAllocated: 12, BitsStored: 12, HighBit: 11 }),
  ],
  'a number of frames that is none': ['MDM_DICOM', frames('1A')],
  'a negative number of frames': ['MDM_DICOM', frames('-1')],
  'half a frame': ['MDM_DICOM', frames('0.5')],
  'more frames than numbers': ['MDM_DICOM', frames('9'.repeat(400))],
  'very many frames': ['MDM_DICOM', frames('999999999999')],
  HTJ2K: ['MDM_PIXELS', withSyntax(FILE, '1.2.840.10008.1.2.4.201')],
  'a transfer syntax of tomorrow': ['MDM_PIXELS', withSyntax(FILE, '1.2.840.10008.1.2.8.1')],
  'implicit where explicit is said': ['throws MDM_DICOM', implicitSaidExplicit()],
  'text of 40 KiB': ['MDM_DICOM', having(lots(), 0x00180050)],
}

for (const [kind, file] of Object.entries(ODD)) {
  t.test(`${kind}: the object makes its volume`, async (t) => {
    t.equal(verdict(file), 'a volume')
    const header = readHeader(file)
    const pixels = pixelBytes(file, header)
    t.equal(header.text.PatientName, 'CANARY^NAME')
    if (!kind.startsWith('more pixels')) t.equal(pixels.toString('hex'), '010002000300040005000600')
  })
}

t.test('a deflate bomb behind the pixels costs no memory until they are wanted', async (t) => {
  const bomb = deflated(Buffer.concat([FILE.subarray(META), Buffer.alloc(64 << 20)]))
  const before = process.memoryUsage().arrayBuffers
  t.equal(verdict(bomb), 'a volume')
  t.ok(process.memoryUsage().arrayBuffers - before < 64 << 20)
})

for (const [kind, [how, file]] of Object.entries(BAD)) {
  t.test(`${kind}: refused, within bounds`, async (t) => {
    const before = process.memoryUsage().arrayBuffers
    t.equal(verdict(file), how)
    t.ok(
      process.memoryUsage().arrayBuffers - before < 64 << 20,
      'and no memory is taken for what is only said',
    )
    if (how === 'MDM_DICOM') t.equal(pixelSpan(readHeader(file)), undefined)
  })
}

t.test('text is decoded or dropped, and never holds what a terminal or a database would obey', async (t) => {
  const texts: Attributes = {
    PatientName: '\x1b[2J\0EVIL\x07^NAME',
    StudyDescription: 'A\x1b$BXX',
    ScanOptions: 'A\0B',
    ImageType: ['ORIGINAL', '\x1b]0;X\x07'],
    PatientBirthDate: '***',
  }
  const { text, imageType } = readHeader(writeObject({ ...OBJECT, ...texts }))
  for (const value of [...Object.values(text), ...imageType]) t.notMatch(value, /\p{Cc}/u)
  t.match(text, { PatientName: /EVIL\^NAME/, ScanOptions: 'AB', PatientBirthDate: '***' })
})

t.test('a UID with other than printable characters names nothing, wherever it stands', async (t) => {
  const odd = writeObject({ ...OBJECT, SOPInstanceUID: '1.2\x07.3' })
  t.equal(verdict(odd), 'throws MDM_DICOM')
})

t.test('a bare data set is held to the same bounds', async (t) => {
  t.test('a deflate bomb behind the pixels costs no memory until they are wanted', async (t) => {
    const bomb = deflated(Buffer.concat([FILE.subarray(META), Buffer.alloc(64 << 20)]))
    const before = process.memoryUsage().arrayBuffers
    t.equal(verdict(bomb), 'a volume')
    t.ok(process.memoryUsage().arrayBuffers - before < 64 << 20)
  })

  for (const [kind, [how, file]] of Object.entries(BAD)) {
    if (how.startsWith('throws')) continue
    const { end, transferSyntax } = readFileMeta(file)!
    for (const length of [Infinity, file.length - end]) {
      const header = attempt(() => readBareHeader(file.subarray(end), transferSyntax, length))
      t.ok(header === 'more' || header === 'MDM_DICOM' || typeof header === 'object', kind)
    }
  }
})

function attempt(read: () => unknown): unknown {
  try {
    return read()
  } catch (error) {
    return (error as { code?: string }).code
  }
}

function vrOfSyntax(vr: string): Buffer {
  const file = Buffer.from(FILE)
  file.write(vr, file.indexOf(Buffer.from([2, 0, 0x10, 0]), 132) + 4, 'latin1')
  return file
}

function bomb(bytes: Buffer): Buffer {
  return Buffer.concat([withSyntax(FILE.subarray(0, META), DEFLATED), bytes])
}

function pixelsDeclared(length: number, attributes: Attributes): Buffer {
  const file = writeObject({ ...OBJECT, ...attributes })
  file.writeUInt32LE(length, file.indexOf(Buffer.from([0xe0, 0x7f, 0x10, 0])) + 8)
  return file
}

function frames(text: string): Buffer {
  return having(element(0x00280008, 'IS', text.padEnd(text.length + (text.length % 2))), 0x00280010)
}

/** A data set whose bytes 128 to 131 are DICM, in the middle of a value. */
function lettersInValue(): Buffer {
  const filler = element(0x00080000, 'UL', Buffer.alloc(4))
  const letters = element(0x00080001, 'OB', Buffer.alloc(112, 'DICM'))
  const bare = Buffer.concat([filler, letters, FILE.subarray(META)])
  if (bare.toString('latin1', 128, 132) !== 'DICM')
    throw new Error('the letters are not where they should be')
  return bare
}

function implicitSaidExplicit(): Buffer {
  const { end } = readFileMeta(writeObject(OBJECT, '1.2.840.10008.1.2'))!
  return Buffer.concat([FILE.subarray(0, META), writeObject(OBJECT, '1.2.840.10008.1.2').subarray(end)])
}

/** Many attributes that are read, each as long as may be. */
function lots(): Buffer {
  const tags = [
    0x00080080, 0x00080090, 0x00081010, 0x00081030, 0x0008103e, 0x00081040, 0x00081050, 0x00081060,
    0x00081070, 0x00081090,
  ]
  return Buffer.concat(tags.map((tag) => element(tag, 'LO', Buffer.alloc(4096, 'x'))))
}
