import { writeObject, type Attributes } from '@mdm/server/dicom/dcmjs/write-object'
import { pixelBytes, readHeader, readHeaderStart } from '@mdm/server/dicom/part10/index'
import { deflateRawSync } from 'node:zlib'
import t from 'tap'

const OBJECT: Attributes = {
  SOPClassUID: '1.2.840.10008.5.1.4.1.1.4',
  SOPInstanceUID: '1.2.3.4',
  StudyInstanceUID: '1.2.3',
  SeriesInstanceUID: '1.2.3.1',
  Modality: 'MR',
  PatientName: 'CANARY^NAME',
  Rows: 2,
  Columns: 3,
  SamplesPerPixel: 1,
  BitsAllocated: 16,
  BitsStored: 12,
  HighBit: 11,
  PixelRepresentation: 0,
  ImagePositionPatient: ['-1.5', '2', '3e1'],
  RescaleSlope: '0.5',
  PixelData: Uint16Array.of(1, 2, 3, 4, 5, 6).buffer,
}
const FILE = writeObject(OBJECT)

t.test('reads what the object says, and its pixels', async (t) => {
  const header = readHeader(FILE)
  t.match(header, {
    study: '1.2.3',
    series: '1.2.3.1',
    sop: '1.2.3.4',
    rows: 2,
    columns: 3,
    slope: 0.5,
    intercept: 0,
    frames: 1,
  })
  t.same(header.position, [-1.5, 2, 30])
  t.equal(header.text.PatientName, 'CANARY^NAME')
  t.equal(header.fault, undefined)
  t.same([...new Uint16Array(Uint8Array.from(pixelBytes(FILE, header)).buffer)], [1, 2, 3, 4, 5, 6])
})

t.test('implicit, deflated and bare data sets read the same', async (t) => {
  const same = ({ pixelData: _, transferSyntax: __, ...rest }: ReturnType<typeof readHeader>): unknown => rest
  const wanted = same(readHeader(FILE))
  const implicit = writeObject(OBJECT, '1.2.840.10008.1.2')
  t.same(same(readHeader(implicit)), wanted)
  t.same(same(readHeader(deflated())), wanted)
  for (const file of [FILE, implicit]) {
    const bare = file.subarray(144 + file.readUInt32LE(140))
    t.same(same(readHeader(bare)), wanted, 'neither preamble nor meta')
    t.equal(pixelBytes(bare, readHeader(bare)).length, 12)
    t.same(same(readHeader(file.subarray(132))), wanted, 'meta without preamble')
  }
})

t.test('a header in parts asks for more until it is whole, and never says less than the whole', async (t) => {
  const whole = readHeader(FILE)
  const pixels = FILE.length - 12
  for (let bytes = 132; bytes < FILE.length; bytes++) {
    const header = attempt(() => readHeaderStart(FILE.subarray(0, bytes), FILE.length))
    if (bytes < pixels) t.equal(header, 'more', `${bytes} bytes`)
    else t.same(header, whole, `${bytes} bytes`)
  }
})

t.test('an object cut anywhere is damaged or no object, and never throws anything else', async (t) => {
  for (let bytes = 0; bytes < FILE.length; bytes++) {
    const header = attempt(() => readHeader(FILE.subarray(0, bytes)))
    t.ok(
      header === 'MDM_DICOM' ||
        (typeof header === 'object' && (header.fault === 'MDM_DICOM' || header.pixelData === undefined)),
      `${bytes} bytes`,
    )
  }
})

t.test('malformed values are undefined, not guessed', async (t) => {
  const header = readHeader(
    writeObject({
      ...OBJECT,
      ImagePositionPatient: ['1', '2'],
      PixelSpacing: ['1,5', '1'],
      RescaleSlope: 'NaN',
      SliceThickness: '',
    }),
  )
  t.equal(header.position, undefined)
  t.equal(header.pixelSpacing, undefined)
  t.equal(header.slope, undefined)
  t.equal(header.sliceThickness, undefined)
})

t.test('an object that names no series is MDM_DICOM, and the error names nobody', async (t) => {
  const error = attempt(() => readHeader(writeObject({ ...OBJECT, SeriesInstanceUID: undefined })), true)
  t.match(error, { code: 'MDM_DICOM' })
  t.notOk(`${error} ${JSON.stringify(error)}`.includes('CANARY'))
})

t.test('garbage over a real header never throws but MDM_DICOM, and in good time', async (t) => {
  const started = process.cpuUsage()
  let state = 1
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  for (const syntax of ['1.2.840.10008.1.2.1', '1.2.840.10008.1.2', '1.2.840.10008.1.2.1.99']) {
    const file = syntax.endsWith('.99')
      ? deflated()
      : writeObject({ ...OBJECT, ReferencedSeriesSequence: [{ SeriesInstanceUID: '1.2' }] }, syntax)
    for (let n = 0; n < 3000; n++) {
      const hurt = Buffer.from(file)
      for (let edits = 1 + random(4); edits > 0; edits--)
        hurt[132 + random(hurt.length - 132)] = random(2) === 0 ? 255 : random(256)
      const result = attempt(() => readHeader(hurt), true)
      if (result?.study === undefined) t.match(result, { code: 'MDM_DICOM', cause: undefined }, `round ${n}`)
    }
  }
  t.ok(process.cpuUsage(started).user < 60_000_000, 'less than a minute of a processor')
})

t.test('a million empty elements are not read one by one', async (t) => {
  const element = Buffer.from([0x08, 0x00, 0x05, 0x00, 0x43, 0x53, 0x00, 0x00])
  const file = Buffer.concat([
    Buffer.alloc(128),
    Buffer.from('DICM'),
    Buffer.concat(
      Array.from({ length: 300_000 }, (_, i) => {
        const copy = Buffer.from(element)
        copy.writeUInt16LE(i % 65_536, 2)
        copy.writeUInt16LE(8 + 2 * Math.floor(i / 65_536), 0)
        return copy
      }),
    ),
  ])
  t.equal(
    attempt(() => readHeader(file)),
    'MDM_DICOM',
  )
})

t.test('sequences nested a hundred thousand deep are MDM_DICOM', async (t) => {
  const open = Buffer.from([
    0x08, 0x00, 0x40, 0x11, 0x53, 0x51, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xff, 0x00, 0xe0, 0xff, 0xff,
    0xff, 0xff,
  ])
  const file = Buffer.concat([
    Buffer.alloc(128),
    Buffer.from('DICM'),
    ...Array.from({ length: 100_000 }, () => open),
  ])
  t.equal(
    attempt(() => readHeader(file)),
    'MDM_DICOM',
  )
})

/** Deflated explicit little endian: the meta information stays as it is (PS3.5 A.5). */
function deflated(): Buffer {
  const file = writeObject(OBJECT, '1.2.840.10008.1.2.1.99')
  const meta = 144 + file.readUInt32LE(140)
  return Buffer.concat([file.subarray(0, meta), deflateRawSync(file.subarray(meta))])
}

/** The result, or the code of the error (the error itself when `whole`). */
function attempt(run: () => unknown, whole = false): any {
  try {
    return run()
  } catch (error) {
    return whole ? error : (error as { code?: string }).code
  }
}
