import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TimingReport } from '../packages/cli/src/timing-table.ts'
import type { Row } from './compare.ts'
import type { BenchGrid } from './grid.ts'
import type { Installed } from './install.ts'
import { measure, type Step } from './measure.ts'
import type { Nginx } from './nginx.ts'
import type { BenchPacs } from './pacs.ts'
import { voxelBytes, type MadeSeries } from './series.ts'

/** Before each run, so that what the last one left to do is done: the site syncs its spool after the answer, ms. */
const SETTLE_MS = 400
const NIFTI_HEADER_BYTES = 352

/** Where rows write, emptied before and after each run; on the disk of the spool. */
export async function inFolder<T>(folder: string, work: () => Promise<T>): Promise<T> {
  await rm(folder, { recursive: true, force: true })
  await mkdir(join(folder, 'dicom'), { recursive: true })
  await sleep(SETTLE_MS)
  try {
    return await work()
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** (a) and (b): getscu of DCMTK into files, then dcm2niix. */
export function getscuRow(
  name: string,
  pacs: BenchPacs,
  series: readonly MadeSeries[],
  o: { out: string; noDelay: boolean },
): Row {
  return convertedRow(name, pacs, series, o.out, ({ study, series: uid }, files) => ({
    command: [
      ...(['getscu', '-aet', 'MDM', '-aec', pacs.ae, '-S', '-k', '0008,0052=SERIES'] as const),
      ...['-k', `0020,000d=${study}`, '-k', `0020,000e=${uid}`, '-od', files],
      ...['127.0.0.1', String(pacs.port)],
    ],
    ...(o.noDelay ? { env: { TCP_NODELAY: '1' } } : {}),
  }))
}

/** (c): WADO-RS into files, then dcm2niix. */
export function wadoRow(
  name: string,
  pacs: BenchPacs,
  series: readonly MadeSeries[],
  o: { out: string },
): Row {
  const program = join(import.meta.dirname, 'rivals', 'wado-to-files.js')
  return convertedRow(name, pacs, series, o.out, ({ study, series: uid }, files) => ({
    command: [process.execPath, program, `${pacs.dicomweb}/studies/${study}/series/${uid}`, files],
  }))
}

function convertedRow(
  name: string,
  pacs: BenchPacs,
  series: readonly MadeSeries[],
  out: string,
  fetch: (series: MadeSeries, files: string) => Step,
): Row {
  const files = join(out, 'dicom')
  const convert: Step = { command: ['dcm2niix', '-z', 'n', '-b', 'n', '-o', out, '-f', 'v', files] }
  return {
    name,
    run: (turn) =>
      inFolder(out, async () => {
        const made = series[turn % series.length]!
        const usage = await measure([fetch(made, files), convert], [pacs])
        await requireVolume(join(out, 'v.nii'), made)
        const { length } = await readdir(files)
        if (length !== made.shape.slices) throw new Error(`${name}: ${length} files came`)
        return usage
      }),
  }
}

export interface OurOptions {
  readonly installed: Installed
  readonly out: string
  readonly pacs?: BenchPacs
  /** the site must ask its source, or must not */
  readonly cold: boolean
  /** of the client */
  readonly nodeOptions?: readonly string[]
  /** does something with the volume before it goes */
  keep?(file: string): Promise<void>
}

/** (d) and (e): `mdm get` as a process of its own, from its start to its end. */
export function ourRow(name: string, grid: BenchGrid, series: readonly MadeSeries[], o: OurOptions): Row {
  const file = join(o.out, 'v.nii')
  const servers = [grid.site, ...grid.keyServers, ...(o.pacs === undefined ? [] : [o.pacs])]
  return {
    name,
    run: () =>
      inFolder(o.out, async () => {
        const get = ['get', grid.nextGuid(), '--format', 'nifti', '-o', file, '--json'] as const
        const command = [process.execPath, ...(o.nodeOptions ?? []), o.installed.cli, ...get] as const
        const usage = await measure([{ command, env: { MDM_CONFIG: grid.user } }], servers)
        await requireVolume(file, series[0]!)
        const asked = timingsOf(usage.stdout).rows.some(
          (row) => row.name === 'dicom-transaction' && row.startMs !== null,
        )
        if (asked !== o.cold)
          throw new Error(`${name}: the site ${asked ? 'asked' : 'did not ask'} its source`)
        await o.keep?.(file)
        return usage
      }),
  }
}

/** (f): the bytes of a volume by curl over TLS from nginx, which has them as a file. */
export function curlRow(name: string, nginx: Nginx, file: string, o: { out: string }): Row {
  const copy = join(o.out, 'v.nii')
  const command = ['curl', '-sf', '--cacert', nginx.ca, '-o', copy, `${nginx.url}/${file}`] as const
  return {
    name,
    run: () =>
      inFolder(o.out, async () => {
        const usage = await measure([{ command }], [nginx.server])
        const [came, there] = await Promise.all([stat(copy), stat(join(nginx.www, file))])
        if (came.size !== there.size) throw new Error(`${name}: ${came.size} bytes came`)
        return usage
      }),
  }
}

/** A program that does nothing but start and end. */
export function programRow(name: string, command: Step['command']): Row {
  return { name, run: async () => await measure([{ command }]) }
}

/** The timing table of a get, as its --json has it. */
export function timingsOf(stdout: string): TimingReport {
  return (JSON.parse(stdout) as { files: { timings: TimingReport }[] }).files[0]!.timings
}

/** A single-file NIfTI of 16-bit voxels has just this length. */
async function requireVolume(file: string, { shape }: MadeSeries): Promise<void> {
  const { size } = await stat(file)
  const right = NIFTI_HEADER_BYTES + voxelBytes(shape)
  if (size !== right) throw new Error(`the volume has ${size} bytes, not ${right}`)
}
