import { uidOf } from '@mdm/server/dicom/dcmjs/uid'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { compress, COMPRESSED, type Compression } from '../fixtures/compress.ts'
import type { Awkwardness } from './awkward-series.ts'
import { encodeDataSet, encodeFile, type Element } from './raw-object.ts'

/** What is written, and what a server that does not take it is said to be without. */
export const COMPRESSIONS: readonly (readonly [Exclude<Compression, 'jpeg' | 'htj2k'>, Awkwardness])[] = [
  ['rle', 'encapsulated in RLE'],
  ['jpeg-ls', 'encapsulated in JPEG-LS'],
  ['jpeg-2000', 'encapsulated in JPEG 2000'],
]

const MR = '1.2.840.10008.5.1.4.1.1.4'
const ROWS = 40
const COLUMNS = 30
const FRAMES = [1, 1, 3]

export interface CompressedSeries {
  study: string
  series: string
  sops: string[]
  /** of each object, before they were compressed */
  frames: Buffer[][]
}

/** Three MR objects, the last of three frames, with numbers of 12 bits. */
export async function writeCompressedSeries(folder: string, how: Compression): Promise<CompressedSeries> {
  await mkdir(folder, { recursive: true })
  const [study, series] = [uidOf('compressed study'), uidOf(`compressed series ${how}`)]
  const written: CompressedSeries = { study, series, sops: [], frames: [] }
  for (const [k, count] of FRAMES.entries()) {
    const sop = uidOf(`compressed ${how} ${k}`)
    const frames = Array.from({ length: count }, (_, f) => pixelsOf(10 * k + f))
    const image = { rows: ROWS, columns: COLUMNS, components: 1, bits: 12, signed: false }
    const fragments = await Promise.all(frames.map((samples) => compress({ ...image, samples }, how)))
    const dataSet = encodeDataSet(elementsOf({ study, series, sop, count, fragments }), COMPRESSED[how])
    await writeFile(join(folder, `${k}.dcm`), encodeFile(dataSet, MR, sop, COMPRESSED[how]))
    written.sops.push(sop)
    written.frames.push(frames)
  }
  return written
}

function pixelsOf(seed: number): Buffer {
  const words = Uint16Array.from({ length: ROWS * COLUMNS }, (_, i) => ((i * 3) ^ (seed * 91)) & 0xfff)
  return Buffer.from(words.buffer)
}

/** In order of tags, as a data set must be. */
function elementsOf(o: {
  study: string
  series: string
  sop: string
  count: number
  fragments: readonly Buffer[]
}): Element[] {
  return [
    { tag: '00080016', vr: 'UI', value: MR },
    { tag: '00080018', vr: 'UI', value: o.sop },
    { tag: '00080020', vr: 'DA', value: '20200102' },
    { tag: '00080060', vr: 'CS', value: 'MR' },
    { tag: '00100010', vr: 'PN', value: 'MDM^PHANTOM' },
    { tag: '00100020', vr: 'LO', value: 'MDM-PHANTOM' },
    { tag: '0020000d', vr: 'UI', value: o.study },
    { tag: '0020000e', vr: 'UI', value: o.series },
    { tag: '00280002', vr: 'US', value: [1] },
    { tag: '00280004', vr: 'CS', value: 'MONOCHROME2' },
    { tag: '00280008', vr: 'IS', value: String(o.count) },
    { tag: '00280010', vr: 'US', value: [ROWS] },
    { tag: '00280011', vr: 'US', value: [COLUMNS] },
    { tag: '00280100', vr: 'US', value: [16] },
    { tag: '00280101', vr: 'US', value: [12] },
    { tag: '00280102', vr: 'US', value: [11] },
    { tag: '00280103', vr: 'US', value: [0] },
    { tag: '7fe00010', vr: 'OB', value: { fragments: [Buffer.alloc(0), ...o.fragments] } },
  ]
}
