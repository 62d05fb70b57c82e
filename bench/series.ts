import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeSeries, type SeriesOptions } from '../packages/server/src/dicom/dcmjs/write-series.ts'

/** A made-up series: what its voxels come to, and how it looks to a PACS. */
export interface Shape {
  readonly modality: 'CT' | 'MR'
  readonly columns: number
  readonly rows: number
  readonly slices: number
}

/** What the sections of one large volume take. */
export const ONE_GIB: Shape = { modality: 'CT', columns: 512, rows: 512, slices: 2_048 }

export interface MadeSeries {
  readonly folder: string
  readonly study: string
  readonly series: string
  readonly shape: Shape
}

export const CT: Shape = { modality: 'CT', columns: 512, rows: 512, slices: 200 }
export const MR: Shape = { modality: 'MR', columns: 256, rows: 256, slices: 180 }

/** Bytes of the voxels, 16 bits each. */
export const voxelBytes = ({ columns, rows, slices }: Shape): number => columns * rows * slices * 2

/** Written last: a folder without it was not finished, and is made anew. */
const COMPLETE = 'complete.json'
/** What a scanner adds and nobody reads: 64 private texts, a private block of 12 kB, and a sequence. */
const PRIVATE_TEXTS = 64
const PRIVATE_BYTES = 12_288

/**
 * Makes a series in a folder, or takes the one that is there: valid single-frame objects whose instance numbers run against
 * their positions, with private elements and a sequence in every slice. The same name and shape give the same bytes.
 */
export async function makeSeries(root: string, name: string, shape: Shape): Promise<MadeSeries> {
  const folder = join(root, `${name}-${shape.slices}x${shape.rows}x${shape.columns}`)
  const files = join(folder, 'dicom')
  const mark = join(folder, COMPLETE)
  if (!existsSync(mark)) {
    await rm(folder, { recursive: true, force: true })
    await mkdir(files, { recursive: true })
    const written = await writeSeries(files, optionsOf(name, shape))
    for (const file of written.files) await writeFile(file, withPrivate(await readFile(file)))
    await writeFile(mark, JSON.stringify({ study: written.study, series: written.series }))
  }
  const { study, series } = JSON.parse(await readFile(mark, 'utf8')) as { study: string; series: string }
  return { folder: files, study, series, shape }
}

function optionsOf(name: string, { modality, columns, rows, slices }: Shape): SeriesOptions {
  const values = noise(name)
  return {
    ...{ modality, columns, rows, slices, seed: `bench ${name}` },
    spacing: [0.7, 0.7, 1.25],
    type: modality === 'CT' ? 'int16' : 'uint16',
    bitsStored: modality === 'CT' ? 16 : 12,
    voxel: (i, j, k) => values[(i * 7 + j * 131 + k * 977) & 4095]!,
    patient: { name: `BENCH^${modality}`, id: `BENCH-${modality}`, birthDate: '19500101' },
    attributes: (k) => ({
      InstanceNumber: String(slices - k),
      RequestAttributesSequence: [{ RequestedProcedureID: 'BENCH', ScheduledProcedureStepID: String(k) }],
    }),
  }
}

/** 4,096 stored values of 12 bits that look random and are the same for the same name. */
function noise(name: string): Uint16Array {
  let state = [...name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) >>> 0, 1)
  return Uint16Array.from({ length: 4096 }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state >>> 20
  })
}

/** A file of PS3.10 in explicit little endian with a block of private elements at their place in the order of tags. */
function withPrivate(file: Buffer): Buffer {
  const texts = Array.from({ length: PRIVATE_TEXTS }, (_, i) => text(0x1001 + i, `value ${i} of a scanner `))
  const block = Buffer.alloc(12)
  block.writeUInt16LE(0x0009, 0)
  block.writeUInt16LE(0x10ff, 2)
  block.write('OB', 4, 'latin1')
  block.writeUInt32LE(PRIVATE_BYTES, 8)
  const elements = [text(0x0010, 'MDM BENCH '), ...texts, block, Buffer.alloc(PRIVATE_BYTES, 0x5a)]
  const at = firstAfterGroup(file, 0x0009)
  return Buffer.concat([file.subarray(0, at), ...elements, file.subarray(at)])
}

/** An element of group 0009 with a text of even length (PS3.5 7.1.2: VR and 16-bit length). */
function text(element: number, value: string): Buffer {
  const even = value.length % 2 === 0 ? value : `${value} `
  const head = Buffer.alloc(8)
  head.writeUInt16LE(0x0009, 0)
  head.writeUInt16LE(element, 2)
  head.write('LO', 4, 'latin1')
  head.writeUInt16LE(even.length, 6)
  return Buffer.concat([head, Buffer.from(even, 'latin1')])
}

/** Where the first element of a later group begins; no element before it is a sequence. */
function firstAfterGroup(file: Buffer, group: number): number {
  let at = 132
  while (file.readUInt16LE(at) <= group) {
    const long = ['OB', 'OW', 'UN', 'UT'].includes(file.toString('latin1', at + 4, at + 6))
    at += long ? 12 + file.readUInt32LE(at + 8) : 8 + file.readUInt16LE(at + 6)
  }
  return at
}
