import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { cpus, release, totalmem } from 'node:os'
import { promisify } from 'node:util'
import type { Comparison, RowSummary } from '../compare.ts'
import type { Context, MemoryResult, SecurityResult } from '../context.ts'
import type { Usage } from '../measure.ts'
import type { Steps } from '../steps.ts'

/** All that a run of the bench found out; what --json writes. */
export interface Report {
  readonly machine: Readonly<Record<string, string>>
  readonly versions: Readonly<Record<string, string>>
  readonly pairs: number
  readonly quick: boolean
  readonly comparisons: readonly Comparison[]
  readonly rows: readonly (RowSummary & { readonly each: readonly Omit<Usage, 'stdout'>[] })[]
  readonly steps: Readonly<Record<string, Steps>>
  readonly memory: readonly MemoryResult[]
  readonly security: readonly SecurityResult[]
}

const run = promisify(execFile)
/** How each program says its version, and where in that. */
const VERSIONS: Readonly<Record<string, readonly [command: string[], pattern: RegExp]>> = {
  Orthanc: [['/usr/sbin/Orthanc', '--version'], /([0-9]+\.[0-9.]+)/],
  DCMTK: [['getscu', '--version'], /v([0-9.]+)/],
  dcm2niix: [['dcm2niix', '--version'], /v([0-9.]+)/],
  nginx: [['nginx', '-v'], /nginx\/([0-9.]+)/],
  curl: [['curl', '--version'], /curl ([0-9.]+)/],
  gfal2: [['gfal-copy', '--version'], /gfal2 ([0-9.]+)/],
  ARC: [['arccp', '--version'], /version ([0-9.]+)/],
  davix: [['davix-get', '--version'], /Version: ([0-9.]+)/],
}

export async function reportOf(o: Context): Promise<Report> {
  const { runs, ...results } = o.results
  const rows = runs.summaries().map((summary) => ({
    ...summary,
    each: runs.of(summary.name).map(({ stdout: _, ...usage }) => usage),
  }))
  // gfal2's commands ask for whatever python3 comes first, which may be another than their module is for
  const env = { ...process.env, GFAL_PYTHONBIN: '/usr/bin/python3' }
  const versions = Object.entries(VERSIONS).map(async ([name, [[program, ...args], pattern]]) => {
    // some of them end with another status than 0 when asked for their version
    const said = await run(program!, args, { env }).catch(
      (error: { stdout?: string; stderr?: string }) => error,
    )
    return [name, pattern.exec(`${said.stdout}${said.stderr}`)?.[1] ?? 'not installed'] as const
  })
  return {
    machine: {
      processors: `${cpus().length} of ${cpus()[0]?.model.trim() ?? 'an unknown kind'}`,
      memory: `${(totalmem() / 2 ** 30).toFixed(0)} GiB`,
      kernel: release(),
      load: (await readFile('/proc/loadavg', 'utf8')).split(' ').slice(0, 3).join(' '),
    },
    versions: { Node: process.versions.node, ...Object.fromEntries(await Promise.all(versions)) },
    ...{ pairs: o.pairs, quick: o.quick, rows },
    ...results,
  }
}

/** Every bar that was looked at and missed, in words. */
export function missed({ comparisons, memory, security }: Report): string[] {
  return [
    ...comparisons
      .filter(({ met }) => met === false)
      .map(({ name, ratio, bar }) => `${name}: ${ratio.median.toFixed(2)}, at most ${bar}`),
    ...memory
      .filter(({ met }) => !met)
      .map(
        ({ name, addedMib, bar }) =>
          `memory of the ${name}: + ${addedMib.median.toFixed(0)} MiB, at most ${bar}`,
      ),
    ...security
      .filter(({ met }) => !met)
      .map(({ name, percent, bar }) => `security ${name}: ${percent.toFixed(1)} %, at most ${bar}`),
  ]
}
