import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { writeSeries } from '../../packages/server/src/dicom/dcmjs/write-series.ts'
import { compare, type Row } from '../compare.ts'
import type { Context, Section } from '../context.ts'
import { measure } from '../measure.ts'

const run = promisify(execFile)

/** What DCMTK compresses, and decodes again. Nothing that Debian has decodes JPEG 2000 out of DICOM objects. */
const CODINGS = [
  { name: 'rle', encode: ['dcmcrle'], decode: 'dcmdrle' },
  { name: 'jpeg-lossless', encode: ['dcmcjpeg', '--encode-lossless-sv1'], decode: 'dcmdjpeg' },
  { name: 'jpeg-ls', encode: ['dcmcjpls'], decode: 'dcmdjpls' },
] as const

/**
 * Compressed pixels to plain ones, by programs of their own from start to end: ours as a site reads a folder, theirs the
 * tool of DCMTK. One object of many frames, so that neither pays for a start with each slice.
 */
export const decodeSection: Section = {
  name: 'decode',
  async run(o) {
    const side = o.quick ? 128 : 512
    const frames = o.quick ? 10 : 200
    const plain = await plainObject(o, side, frames)
    for (const { name, encode, decode } of CODINGS) {
      const folder = join(o.scratch, 'series', `decode-${name}-${frames}x${side}`)
      const compressed = join(folder, 'object.dcm')
      if (!existsSync(compressed)) {
        await mkdir(folder, { recursive: true })
        const [program, ...args] = encode
        await run(program, [...args, plain, `${folder}.part`])
        await rename(`${folder}.part`, compressed)
      }
      const bytes = side * side * frames * 2
      const section = `decode ${name}`
      const ours = decodingRow(`${section}: ours`, bytes, plain, join(o.scratch, 'decoded'), (out) => [
        ...[process.execPath, join(import.meta.dirname, '..', 'decode-series.js'), folder, out],
        dirname(dirname(o.installed.server)),
      ])
      const theirs = decodingRow(`${section}: ${decode}`, bytes, plain, join(o.scratch, 'decoded'), (out) => [
        ...[decode, compressed, out],
      ])
      const options = { pairs: o.pairs, runs: o.results.runs }
      o.results.comparisons.push(await compare(section, ours, theirs, options))
    }
  },
}

/** What it writes must end with the pixels of the object that was compressed. */
function decodingRow(
  name: string,
  bytes: number,
  plain: string,
  out: string,
  command: (out: string) => string[],
): Row {
  return {
    name,
    async run() {
      const [program = '', ...args] = command(out)
      const usage = await measure([{ command: [program, ...args] }])
      const [got, wanted] = await Promise.all([readFile(out), readFile(plain)])
      await rm(out)
      if (!got.subarray(-bytes).equals(wanted.subarray(-bytes))) throw new Error(`${name}: other pixels`)
      return usage
    },
  }
}

/** One object of many frames: shapes with noise on them, as scanners make them. */
async function plainObject(o: Context, side: number, frames: number): Promise<string> {
  const folder = join(o.scratch, 'series', `decode-plain-${frames}x${side}`)
  const mark = join(folder, 'complete.json')
  if (existsSync(mark)) return ((await JSON.parse(await readFile(mark, 'utf8'))) as { file: string }).file
  await rm(folder, { recursive: true, force: true })
  const words = new Uint16Array(side * side * frames)
  let state = 1
  for (let i = 0; i < words.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    const [x, y] = [i % side, Math.floor(i / side) % side]
    words[i] = 1500 + 900 * Math.sin(x / 40) * Math.cos(y / 50) + (state >>> 27)
  }
  const { files } = await writeSeries(folder, {
    ...{ modality: 'MR', columns: side, rows: side, slices: 1, spacing: [1, 1, 1], bitsStored: 12 },
    voxel: () => 0,
    attributes: () => ({ NumberOfFrames: String(frames), PixelData: words.buffer }),
  })
  const file = files[0]!
  await writeFile(mark, JSON.stringify({ file }))
  return file
}
