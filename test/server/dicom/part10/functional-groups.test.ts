import { writeObject } from '@mdm/server/dicom/dcmjs/write-object'
import { numbersOf, textOf } from '@mdm/server/dicom/frame-table'
import {
  MAX_HEADER_BYTES,
  readBareHeaderInTurns,
  readFileMeta,
  readHeader,
  readHeaderInTurns,
  readHeaderStart,
  headerSteps,
} from '@mdm/server/dicom/part10/index'
import type { InstanceHeader } from '@mdm/server/dicom/source'
import { planesOf } from '@mdm/server/volume/planes/index'
import type { Plane } from '@mdm/server/volume/plane'
import t, { type Test } from 'tap'
import { DIFFERENT_FRAMES, frameGroups, frameItem, sequence } from '../../../fuzz/dataset/frames.ts'
import * as hostile from '../../../fuzz/dataset/hostile.ts'
import { SLOW_MS, timedSteps } from '../../../fuzz/dataset/read.ts'
import { element, EXPLICIT, mark, ITEM, nested } from '../../../fuzz/dataset/write.ts'

const IMPLICIT = { explicit: false, bigEndian: false }
/** What the last of 10,000 frames repeats. */
const LAST = 9_999 % DIFFERENT_FRAMES

const OBJECT = {
  SOPClassUID: '1.2.840.10008.5.1.4.1.1.4.1',
  SOPInstanceUID: '1.2.3.4',
  StudyInstanceUID: '1.2.3',
  SeriesInstanceUID: '1.2.3.1',
  Modality: 'MR',
  PatientName: 'CANARY^NAME',
  Rows: 2,
  Columns: 2,
  SamplesPerPixel: 1,
  PhotometricInterpretation: 'MONOCHROME2',
  BitsAllocated: 8,
  BitsStored: 8,
  HighBit: 7,
  PixelRepresentation: 0,
}

/** An object of so many frames with these functional groups, written by hand. */
function file(frames: number, groups: Buffer, syntax = '1.2.840.10008.1.2.1'): Buffer {
  const encoding = syntax.endsWith('.2') ? IMPLICIT : EXPLICIT
  const head = writeObject({ ...OBJECT, NumberOfFrames: String(frames) }, syntax)
  return Buffer.concat([head, groups, element(0x7fe00010, 'OW', Buffer.alloc(frames * 4), encoding)])
}

/** Reads it as a source does, and holds its longest synchronous step against the bound. */
function read(t: Test, bytes: Buffer, name: string): InstanceHeader {
  let timed = timedSteps(() => headerSteps(bytes, bytes.length))
  for (let tries = 0; tries < 2 && timed.ms > SLOW_MS; tries++)
    timed = timedSteps(() => headerSteps(bytes, bytes.length))
  t.ok(timed.ms < SLOW_MS, `${name}: ${timed.ms} ms`)
  return timed.outcome() as InstanceHeader
}

t.test('10,000 frames are read in short steps, and kept in little memory', async (t) => {
  for (const [name, o, syntax] of [
    ['with lengths', { ballast: 2500 }, '1.2.840.10008.1.2.1'],
    ['with delimiters', { delimited: true }, '1.2.840.10008.1.2.1'],
    ['implicit', { delimited: true, encoding: IMPLICIT }, '1.2.840.10008.1.2'],
  ] as const) {
    const bytes = file(10_000, frameGroups(10_000, o), syntax)
    const header = read(t, bytes, `${name}, ${bytes.length >> 20} MiB`)
    t.equal(header.fault, undefined)
    const table = header.frameTable!
    t.equal(table.frames, 10_000)
    t.same(numbersOf(table, 'position', 9_999), [-100.5, -120.25, 2 * (LAST % 60)])
    t.equal(textOf(table, 'dateTime', 9_999), `20200102${String(100_000 + LAST)}.25`)
    const kept = [...Object.values(table.numbers), ...Object.values(table.texts).map(({ of }) => of)]
    t.ok(kept.reduce((sum, { byteLength }) => sum + byteLength, 0) < 64 * 10_000)
    const planes = planesOf(header) as Plane[]
    t.equal(planes.length, 10_000)
    const { position, values, marks } = planes[61]!
    t.same([position, values.slope, marks.time], [[-100.5, -120.25, 2], 1 + (61 % 7), 2])
  }
})

t.test('a header is asked for as far as it goes, in a file and in a data set alone', async (t) => {
  const bytes = file(3000, frameGroups(3000, { ballast: 1500 }))
  const { end, transferSyntax } = readFileMeta(bytes)!
  t.ok(bytes.length > 4 << 20)
  for (const size of [64 << 10, 1 << 20, 4 << 20, (4 << 20) + 1]) {
    t.equal(readHeaderStart(bytes.subarray(0, size), bytes.length), 'more', `${size} bytes`)
    t.equal(await readHeaderInTurns(bytes.subarray(0, size), bytes.length), 'more')
    t.equal(await readBareHeaderInTurns(bytes.subarray(end, size), transferSyntax, Infinity), 'more')
  }
  const { pixelData: inFile, ...whole } = readHeader(bytes)
  const { pixelData: alone, ...bare } = (await readBareHeaderInTurns(
    bytes.subarray(end),
    transferSyntax,
    Infinity,
  )) as InstanceHeader
  t.same(bare, whole)
  t.equal(inFile!.offset - alone!.offset, end)
})

t.test('only functional groups make a header long', async (t) => {
  const many = hostile.manyElements(EXPLICIT, 1)
  const bytes = Buffer.concat([writeObject({ ...OBJECT, NumberOfFrames: '1' }), sequence(0x52009229, [many])])
  t.not(readHeaderStart(bytes.subarray(0, 4 << 20), bytes.length * 10), 'more', 'shared groups do not')
})

t.test(
  'groups that lie about their number, are nested or cut short are a fault, in short steps',
  async (t) => {
    const good = frameGroups(4)
    const empty = Buffer.concat([mark(ITEM, EXPLICIT, 0)])
    const lies: [string, number, Buffer][] = [
      ['more items than frames', 3, good],
      ['fewer items than frames', 5, good],
      ['more frames than can be', 10_001, frameGroups(10_001)],
      ['a million items', 4, element(0x52009230, 'SQ', Buffer.alloc(8 << 20, empty))],
      [
        'a million delimited items',
        4,
        hostile.manyItems(EXPLICIT, 1).fill(Buffer.from([0x00, 0x52, 0x30, 0x92]), 0, 4),
      ],
      ['an item of a million elements', 1, sequence(0x52009230, [hostile.manyElements(EXPLICIT, 1)])],
      ['an item of 60 MiB', 1, sequence(0x52009230, [Buffer.alloc(60 << 20, element(0x00080005, 'CS', ''))])],
      [
        'a group of a million items',
        1,
        sequence(0x52009230, [
          hostile.manyItems(EXPLICIT, 1).fill(Buffer.from([0x20, 0x00, 0x13, 0x91]), 0, 4),
        ]),
      ],
      ['sequences nested in a frame', 1, sequence(0x52009230, [nested(20_000, { tag: 0x00209113 })])],
      ['closed sequences nested in a frame', 1, sequence(0x52009230, [nested(20_000, { closed: true })])],
      [
        'values that are none',
        4,
        sequence(0x52009230, Array<Buffer>(4).fill(element(0x00209113, 'DS', '1\\2\\3 '))),
      ],
      ['no items', 4, sequence(0x52009230, [])],
    ]
    for (const [name, frames, groups] of lies) {
      const header = read(t, file(frames, groups), name)
      const found = header.fault !== undefined ? { code: header.fault } : planesOf(header)
      t.ok(
        'code' in found && ['MDM_DICOM', 'MDM_MULTIFRAME', 'MDM_GEOMETRY'].includes(found.code),
        `${name}: ${JSON.stringify(found).slice(0, 80)}`,
      )
    }
    const bytes = file(4, good)
    const start = bytes.indexOf(good)
    for (let cut = start + 9; cut < start + good.length; cut += 37) {
      const header = read(t, bytes.subarray(0, cut), 'cut')
      t.equal(header.fault, 'MDM_DICOM', `cut at ${cut}`)
      t.equal(header.frameTable, undefined)
    }
  },
)

t.test(
  'each length in the groups may lie, and nothing but a fault or another plane comes of it',
  async (t) => {
    for (const o of [{}, { delimited: true }]) {
      const groups = frameGroups(2, o)
      const bytes = file(2, groups)
      const start = bytes.indexOf(groups)
      for (let at = start; at < start + groups.length; at += 3) {
        const hurt = Buffer.from(bytes)
        hurt.writeUInt32LE([0xffffffff, 0xfffffffe, 0, 7, 0x80000000][at % 5]!, at)
        const header = readHeader(hurt)
        const planes = header.fault === undefined ? planesOf(header) : []
        t.ok('code' in planes || planes.length <= 2)
      }
    }
  },
)

t.test('a header of more than there may be is damaged', async (t) => {
  const item = frameItem(0, { ballast: 60_000 })
  const groups = sequence(0x52009230, Array<Buffer>(1200).fill(item))
  t.ok(groups.length > MAX_HEADER_BYTES)
  t.equal(read(t, file(1200, groups), 'too long').fault, 'MDM_DICOM')
})
