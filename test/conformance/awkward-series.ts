import { uidOf } from '@mdm/server/dicom/dcmjs/uid'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SYNTAXES, encodeDataSet, encodeFile, type Element } from './raw-object.ts'

/** What a series of objects is made of that a server, or we, could lose. */
export type Awkwardness =
  | 'explicit'
  | 'implicit'
  | 'big endian'
  | 'deflated'
  | 'encapsulated in JPEG lossless'
  | 'encapsulated in JPEG-LS'
  | 'encapsulated in JPEG 2000'
  | 'encapsulated in RLE'
  | 'odd lengths'
  | 'unknown VR'

export interface AwkwardSeries {
  study: string
  series: string
  transferSyntax: string
  objects: { sop: string; elements: Element[]; dataSet: Buffer }[]
}

const TRANSFER_SYNTAX: Record<Awkwardness, string> = {
  explicit: SYNTAXES.explicit,
  implicit: SYNTAXES.implicit,
  'big endian': SYNTAXES.bigEndian,
  deflated: SYNTAXES.deflated,
  'encapsulated in JPEG lossless': SYNTAXES.jpegLossless,
  'encapsulated in JPEG-LS': SYNTAXES.jpegLs,
  'encapsulated in JPEG 2000': SYNTAXES.jpeg2000,
  'encapsulated in RLE': SYNTAXES.rle,
  'odd lengths': SYNTAXES.explicit,
  'unknown VR': SYNTAXES.explicit,
}

export const AWKWARD = Object.keys(TRANSFER_SYNTAX) as Awkwardness[]

const CT = '1.2.840.10008.5.1.4.1.1.2'

/** Sequences of these objects, which an implicit data set does not name as such. */
export const SEQUENCES: ReadonlySet<string> = new Set([
  '00081115',
  '00081140',
  '0008114a',
  '00291150',
  '00291151',
  '00311103',
])

/** Writes a CT series of three objects below a folder, one file each. */
export async function writeAwkwardSeries(folder: string, kind: Awkwardness): Promise<AwkwardSeries> {
  const transferSyntax = TRANSFER_SYNTAX[kind]
  const [study, series] = [uidOf('awkward study'), uidOf(`awkward series ${kind}`)]
  await mkdir(folder, { recursive: true })
  const objects = Array.from({ length: 3 }, (_, k) => {
    const sop = uidOf(`awkward ${kind} ${k}`)
    const elements = elementsOf(kind, { study, series, sop, k })
    return { sop, elements, dataSet: encodeDataSet(elements, transferSyntax) }
  })
  for (const [k, { sop, dataSet }] of objects.entries())
    await writeFile(join(folder, `${k}.dcm`), encodeFile(dataSet, CT, sop, transferSyntax))
  return { study, series, transferSyntax, objects }
}

/** In order of tags, as a data set must be. */
function elementsOf(
  kind: Awkwardness,
  { study, series, sop, k }: { study: string; series: string; sop: string; k: number },
): Element[] {
  const text = (tag: string, vr: string, value: string): Element => ({ tag, vr, value })
  const number = (tag: string, vr: string, ...value: number[]): Element => ({ tag, vr, value })
  return [
    text('00080005', 'CS', 'ISO_IR 192'),
    text('00080008', 'CS', 'ORIGINAL\\PRIMARY\\AXIAL'),
    text('00080016', 'UI', CT),
    text('00080018', 'UI', sop),
    text('00080020', 'DA', '20200102'),
    text('00080030', 'TM', '100000.123'),
    text('00080050', 'SH', ''),
    text('00080060', 'CS', 'CT'),
    text('00080070', 'LO', ''),
    text('00080090', 'PN', 'Überweiser^Äneas'),
    ...sequences(),
    text('00100010', 'PN', 'Wang^XiaoDong=王^小东='),
    text('00100020', 'LO', 'AWKWARD-1'),
    text('00100030', 'DA', ''),
    text('00100040', 'CS', 'O'),
    text('00180050', 'DS', '2'),
    text('0020000d', 'UI', study),
    text('0020000e', 'UI', series),
    text('00200010', 'SH', '1'),
    text('00200011', 'IS', '1'),
    text('00200013', 'IS', String(k + 1)),
    text('00200032', 'DS', `0\\0\\${2 * k}`),
    text('00200037', 'DS', '1\\0\\0\\0\\1\\0'),
    number('00280002', 'US', 1),
    text('00280004', 'CS', 'MONOCHROME2'),
    number('00280010', 'US', 3),
    number('00280011', 'US', 5),
    text('00280030', 'DS', '0.5\\0.5'),
    number('00280100', 'US', 16),
    number('00280101', 'US', 12),
    number('00280102', 'US', 11),
    number('00280103', 'US', 0),
    text('00281052', 'DS', '-1024'),
    text('00281053', 'DS', '1'),
    ...privateElements(k),
    ...irregular(kind),
    pixels(kind, k),
  ]
}

/** With and without lengths, empty, and within one another. */
function sequences(): Element[] {
  const reference: Element[] = [
    { tag: '00081150', vr: 'UI', value: CT },
    { tag: '00081155', vr: 'UI', value: '1.2.3.4' },
  ]
  const inner = (undefinedLength: boolean): Element => ({
    ...{ tag: '0008114a', vr: 'SQ', undefinedLength },
    value: [reference, [], reference],
  })
  return [
    {
      ...{ tag: '00081115', vr: 'SQ', undefinedLength: true },
      value: [
        [inner(true), { tag: '0020000e', vr: 'UI', value: '1.2.3' }],
        [inner(false), { tag: '0020000e', vr: 'UI', value: '' }],
      ],
    },
    { tag: '00081140', vr: 'SQ', value: [[{ tag: '0008114a', vr: 'SQ', value: [reference] }]] },
  ]
}

/** 64 of them with values of every kind, 12 kB at once, a sequence, and one without a value. */
function privateElements(k: number): Element[] {
  const kinds: [vr: string, value: (n: number) => Element['value']][] = [
    ['LO', (n) => `value ${n}`],
    ['DS', (n) => `${n}.125\\-${n}`],
    ['FD', (n) => [n / 3, -n]],
    ['US', (n) => [n, 65_535 - n]],
    ['SL', (n) => [-n]],
    ['FL', (n) => [n + 0.5]],
    ['OB', (n) => Buffer.from([n, k, 255, 0])],
    ['LT', (n) => `é ${n}`],
  ]
  const many = Array.from({ length: 64 }, (_, n): Element => {
    const [vr, value] = kinds[n % kinds.length]!
    return { tag: `002911${n.toString(16).padStart(2, '0')}`, vr, value: value(n) }
  })
  const large = Buffer.from(Array.from({ length: 12_000 }, (_, n) => (n * 7 + k) & 255))
  // Looks like the end of a part of any multipart reply, and like the end of a sequence.
  large.write('\r\n--boundary--\r\n\r\n--', 100, 'latin1')
  large.set([0xfe, 0xff, 0xdd, 0xe0, 0, 0, 0, 0], 200)
  return [
    { tag: '00290011', vr: 'LO', value: 'MDM CONFORMANCE' },
    ...many,
    { tag: '00291141', vr: 'OB', value: large },
    { tag: '00291142', vr: 'LO', value: '' },
    {
      ...{ tag: '00291150', vr: 'SQ', undefinedLength: true },
      value: [[{ tag: '00291151', vr: 'SQ', value: [[{ tag: '00080100', vr: 'SH', value: 'code' }]] }]],
    },
  ]
}

/** Against the standard, or so seldom used that servers mend it. */
function irregular(kind: Awkwardness): Element[] {
  const creator: Element = { tag: '00310011', vr: 'LO', value: 'MDM IRREGULAR' }
  if (kind === 'odd lengths')
    return [
      creator,
      { tag: '00311101', vr: 'LO', value: 'odd', odd: true },
      { tag: '00311102', vr: 'OB', value: Buffer.from([1, 2, 3]), odd: true },
    ]
  if (kind === 'unknown VR')
    return [
      creator,
      {
        ...{ tag: '00311103', vr: 'UN', undefinedLength: true },
        value: [[{ tag: '00080100', vr: 'SH', value: 'implicit' }]],
      },
    ]
  return []
}

function pixels(kind: Awkwardness, k: number): Element {
  const tag = '7fe00010'
  if (!kind.startsWith('encapsulated'))
    return { tag, vr: 'OW', value: Array.from({ length: 15 }, (_, n) => (n * 256 + k) & 4095) }
  // Nobody decodes them: an empty offset table, and one frame in two fragments.
  const fragment = (length: number) => Buffer.from(Array.from({ length }, (_, n) => (n * 31 + k) & 255))
  return { tag, vr: 'OB', value: { fragments: [Buffer.alloc(0), fragment(1000), fragment(34)] } }
}
