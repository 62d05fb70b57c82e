import { writeObject, type Attributes } from '@mdm/server/dicom/dcmjs/write-object'
import { readFileMeta, readHeader } from '@mdm/server/dicom/part10/index'
import { planesOf } from '@mdm/server/volume/planes/index'
import type { Plane } from '@mdm/server/volume/plane'
import t from 'tap'
import { element, EXPLICIT, ITEM, mark } from '../../../fuzz/dataset/write.ts'

/** Five slices of 3 x 2 pixels in a square of nine tiles; 4 mm apart, the first at (0, 0, 10). */
const MOSAIC: Attributes = {
  SOPClassUID: '1.2.840.10008.5.1.4.1.1.4',
  SOPInstanceUID: '1.2.3.4',
  StudyInstanceUID: '1.2.3',
  SeriesInstanceUID: '1.2.3.1',
  Modality: 'MR',
  ImageType: ['ORIGINAL', 'PRIMARY', 'M', 'ND', 'MOSAIC'],
  SpacingBetweenSlices: '4',
  // the corner of an image of 9 x 6 pixels about the centre of a slice of 3 x 2
  ImagePositionPatient: ['-6', '-2', '10'],
  ImageOrientationPatient: ['1', '0', '0', '0', '1', '0'],
  PixelSpacing: ['1', '2'],
  Rows: 6,
  Columns: 9,
  SamplesPerPixel: 1,
  PhotometricInterpretation: 'MONOCHROME2',
  BitsAllocated: 16,
  BitsStored: 16,
  HighBit: 15,
  PixelRepresentation: 0,
  PixelData: new ArrayBuffer(108),
}

interface CsaOptions {
  old?: boolean
  count?: string
  normal?: readonly string[]
  /** z of the centres of the slices in the protocol */
  centres?: readonly number[]
}

/** A CSA header: after SV10, or in the older layout. */
function csa(elements: Record<string, readonly string[]>, old = false): Buffer {
  const names = Object.keys(elements)
  const counts = names.map((name) => elements[name]!.length)
  const parts = names.map((name) => {
    const head = Buffer.alloc(84)
    head.write(name, 0, 'latin1')
    head.writeUInt32LE(1, 64)
    head.write('FD', 68, 'latin1')
    head.writeUInt32LE(elements[name]!.length, 76)
    const items = elements[name]!.map((text) => {
      const length = text.length + 1
      const item = Buffer.alloc(16 + length + ((4 - (length % 4)) % 4))
      item.writeUInt32LE(old ? length + counts[0]! : length, 0)
      item.writeUInt32LE(length, 4)
      item.write(text, 16, 'latin1')
      return item
    })
    return Buffer.concat([head, ...items])
  })
  const start = Buffer.alloc(8)
  start.writeUInt32LE(names.length, 0)
  start.writeUInt32LE(77, 4)
  return Buffer.concat([
    old ? Buffer.alloc(0) : Buffer.from('SV10\x04\x03\x02\x01', 'latin1'),
    start,
    ...parts,
  ])
}

function siemens({
  old = false,
  count = '5',
  normal = ['0.0', '0.0', '1.0'],
  centres,
}: CsaOptions = {}): Buffer {
  const lines = centres?.flatMap((z, k) => [
    `sSliceArray.asSlice[${k}].dThickness\t = \t3.0`,
    `sSliceArray.asSlice[${k}].sPosition.dSag\t = \t3`,
    `sSliceArray.asSlice[${k}].sPosition.dCor\t = \t1.0`,
    `sSliceArray.asSlice[${k}].sPosition.dTra\t = \t${z}`,
  ])
  const image = csa(
    { EchoLinePosition: ['', ''], NumberOfImagesInMosaic: [count], SliceNormalVector: normal },
    old,
  )
  const series = csa({ MrPhoenixProtocol: [['### ASCCONV BEGIN ###', ...(lines ?? [])].join('\n')] }, old)
  return Buffer.concat([
    element(0x00290010, 'LO', 'SIEMENS CSA HEADER'),
    element(0x00291010, 'OB', image),
    ...(centres ? [element(0x00291020, 'OB', series)] : []),
  ])
}

/** An object with private elements put in before its pixels. */
function having(elements: Buffer, attributes: Attributes = {}): Buffer {
  const file = writeObject({ ...MOSAIC, ...attributes })
  const pixels = file.indexOf(Buffer.from([0xe0, 0x7f, 0x10, 0]), readFileMeta(file)!.end)
  return Buffer.concat([file.subarray(0, pixels), elements, file.subarray(pixels)])
}

function read(elements: Buffer, attributes?: Attributes): ReturnType<typeof planesOf> {
  return planesOf(readHeader(having(elements, attributes)))
}

const positions = (found: ReturnType<typeof planesOf>): number[][] =>
  (found as Plane[]).map(({ position }) => [...position])

t.test('the tiles of a mosaic are slices along the normal, from the corner of the first one', async (t) => {
  for (const o of [
    {},
    { old: true },
    { centres: [10, 14, 18, 22, 26] },
    { old: true, centres: [10, 14, 18, 22, 26] },
  ]) {
    const found = read(siemens(o)) as Plane[]
    t.same(
      positions(found),
      [10, 14, 18, 22, 26].map((z) => [0, 0, z]),
    )
    t.same(
      found.map(({ tile }) => [tile!.left, tile!.top]),
      [
        [0, 0],
        [3, 0],
        [6, 0],
        [0, 2],
        [3, 2],
      ],
    )
    t.ok(found.every(({ rows, columns, frame }) => rows === 2 && columns === 3 && frame === 0))
  }
})

t.test('slices that go against the normal of their rows and columns do so', async (t) => {
  const found = read(siemens({ normal: ['0', '0', '-1'], centres: [10, 6, 2, -2, -6] }))
  t.same(
    positions(found),
    [10, 6, 2, -2, -6].map((z) => [0, 0, z]),
  )
  const reversed = read(siemens({ normal: ['0', '0', '-1'], centres: [-6, -2, 2, 6, 10] }))
  t.same(
    positions(reversed),
    [10, 6, 2, -2, -6].map((z) => [0, 0, z]),
    'the protocol may count from the other end',
  )
})

t.test('the protocol gives the distance where no element does', async (t) => {
  const found = read(siemens({ centres: [10, 15, 20, 25, 30] }), { SpacingBetweenSlices: undefined })
  t.same(positions(found)[4], [0, 0, 30])
})

t.test('a mosaic that does not say where its slices lie, or says it twice, is refused', async (t) => {
  const refused: [Buffer, Attributes?][] = [
    [Buffer.alloc(0)],
    [siemens({ normal: [] })],
    [siemens({ normal: ['1', '0', '0'] })],
    [siemens({ normal: ['0', '0', 'x'] })],
    [siemens({ count: '0' })],
    [siemens({ count: '17' })],
    [siemens({ count: '1e9' })],
    [siemens(), { SpacingBetweenSlices: undefined }],
    [siemens(), { ImagePositionPatient: undefined }],
    [siemens(), { Rows: 7 }],
    [siemens({ centres: [10, 15, 20, 25, 30] })],
    [siemens({ centres: [10, 6, 2, -2, -6] })],
    [
      siemens({ centres: [26, 22, 18, 14, 10], normal: ['0', '0', '-1'] }),
      { ImagePositionPatient: ['-6', '-2', '10'] },
    ],
    [siemens().subarray(0, 100)],
  ]
  for (const [i, [elements, attributes]] of refused.entries())
    t.match(read(elements, attributes), { code: 'MDM_GEOMETRY' }, `${i}`)
})

t.test('a CSA header that lies about its lengths ends the reading, not the process', async (t) => {
  const sound = siemens({ centres: [10, 14, 18, 22, 26] })
  for (let at = 40; at < sound.length; at += 7) {
    const hurt = Buffer.from(sound)
    hurt.fill(0xff, at, Math.min(at + 4, hurt.length))
    const header = readHeader(having(hurt))
    const found = header.fault === undefined ? planesOf(header) : []
    t.ok('code' in found || found.length <= 9)
  }
})

t.test('the tiles of a UIH grid lie where each of them says', async (t) => {
  const item = (z: number): Buffer => {
    const position = element(0x00200032, 'DS', `1\\2\\${z} `.slice(0, 6))
    return Buffer.concat([mark(ITEM, EXPLICIT, position.length), position])
  }
  const grid = (count: number): Buffer => {
    const items = Buffer.concat(Array.from({ length: count }, (_, k) => item(k * 5)))
    return Buffer.concat([
      element(0x00650010, 'LO', 'Image Private Header'),
      element(0x00651051, 'SQ', items),
    ])
  }
  const image = {
    ImageType: ['ORIGINAL', 'PRIMARY', 'M', 'VFRAME'],
    Rows: 4,
    Columns: 9,
    ImagePositionPatient: undefined,
  }
  const found = read(grid(5), image) as Plane[]
  t.same(
    positions(found),
    [0, 5, 10, 15, 20].map((z) => [1, 2, z]),
  )
  t.same(found[3]!.tile, { left: 0, top: 2 })
  t.match(read(grid(5), { ...image, Rows: 5 }), { code: 'MDM_GEOMETRY' })
  t.match(read(grid(0), image), { code: 'MDM_GEOMETRY' })
})
