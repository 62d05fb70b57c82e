import { link, mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Lifetime } from '../test/fixtures/peers/peer.ts'
import type { Comparison, Runs } from './compare.ts'
import { startGrid, type BenchGrid, type GridOptions } from './grid.ts'
import type { Installed } from './install.ts'
import type { CpuShares } from './profile.ts'
import { CT, makeSeries, MR, voxelBytes, type MadeSeries, type Shape } from './series.ts'
import type { Quartiles } from './statistics.ts'
import type { Steps } from './steps.ts'

/** By what protocol the site reads a PACS. */
export type Way = 'dimse' | 'dicomweb'

/** A part of the bench that can be asked for by its name. */
export interface Section {
  readonly name: string
  run(o: Context): Promise<void>
}

/** What a run of the bench is asked for, and where it keeps things. */
export interface Context {
  readonly installed: Installed
  /** below the checkout, on one disk */
  readonly scratch: string
  readonly pairs: number
  /** small series: shows that all of it works, and its times mean nothing */
  readonly quick: boolean
  readonly results: Results
}

/** Everything that was found out; sections add to it. */
export interface Results {
  readonly runs: Runs
  readonly comparisons: Comparison[]
  /** where the time of a cold get goes, by title: ours as measured */
  readonly steps: Record<string, Steps>
  readonly memory: MemoryResult[]
  readonly security: SecurityResult[]
}

/** What 4 times the slices add to a peak, MiB. */
export interface MemoryResult {
  readonly name: 'site' | 'client'
  readonly baseMib: number
  readonly addedMib: Quartiles
  readonly bar: number
  readonly met: boolean
}

/** Security's part of a cold get. */
export interface SecurityResult {
  readonly name: string
  readonly percent: number
  readonly bar: number
  readonly met: boolean
  /** ms of each program and owner, where samples were counted */
  readonly shares?: CpuShares
}

const QUICK = {
  ct: { modality: 'CT', columns: 128, rows: 128, slices: 20 },
  mr: { modality: 'MR', columns: 64, rows: 64, slices: 18 },
} as const

export function shapeOf(o: Context, kind: 'ct' | 'mr'): Shape {
  return o.quick ? QUICK[kind] : { ct: CT, mr: MR }[kind]
}

/** The series of a comparison; two of each, so that a spool that holds one is cold for the other. */
export async function seriesOf(o: Context, name: string, shape: Shape, copies = 2): Promise<MadeSeries[]> {
  const root = join(o.scratch, 'series')
  const made: MadeSeries[] = []
  for (let copy = 1; copy <= copies; copy++) made.push(await makeSeries(root, `${name}-${copy}`, shape))
  return made
}

/** One folder with the files of several series, for a site that reads folders. */
export async function folderOf(o: Context, series: readonly MadeSeries[]): Promise<string> {
  const root = await newFolder(o, 'folder')
  for (const [i, { folder }] of series.entries()) {
    await mkdir(join(root, String(i)))
    for (const name of await readdir(folder)) await link(join(folder, name), join(root, String(i), name))
  }
  return root
}

/** An empty folder for a server. */
export async function newFolder(o: Context, name: string): Promise<string> {
  const folder = join(o.scratch, name)
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  return folder
}

/** Quota of a spool with room for one volume of this shape and for the spill file of the next, but not for two volumes. */
export function quotaForOne(shape: Shape): number {
  return Math.ceil(voxelBytes(shape) * 2.1) + 65_536
}

/** Runs work with servers that end when it does, last first. */
export async function withServers<T>(work: (t: Lifetime) => Promise<T>): Promise<T> {
  await using ends = new AsyncDisposableStack()
  return await work({ teardown: (end) => void ends.defer(async () => void (await end())) })
}

/** A grid of its own for a section. */
export async function gridOf(t: Lifetime, o: Context, grid: GridOptions): Promise<BenchGrid> {
  return await startGrid(t, o.installed, join(o.scratch, 'grid'), grid)
}
