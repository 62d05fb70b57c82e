import type { Usage } from './measure.ts'
import { timingsOf } from './rows.ts'
import { median } from './statistics.ts'

/** Exclusive time by step, ms, in the order of the steps; the sum is the whole. */
export type Steps = readonly (readonly [step: string, ms: number])[]

/** Figure 4 of the paper, seconds: a slice of 400 kB, mean of 69 gets. */
export const FIGURE_4: Readonly<Record<string, Steps>> = {
  'paper, client at I3S (2008, one slice of 400 kB)': figure([
    0.65, 0.69, 0.73, 4.79, 0.78, 0.74, 2.08, 0.13, 3.08,
  ]),
  'paper, client at CERN (2008, one slice of 400 kB)': figure([
    0.65, 0.65, 0.7, 4.9, 1.37, 0.4, 0.95, 1.37, 3.08,
  ]),
}

/** Names of the steps in Figure 4's order, as the client's timing report has them, and two that only whole processes have. */
export const STEP_NAMES: Readonly<Record<string, string>> = {
  start: 'start and end of the program',
  'access-control': 'access control',
  'resolve-surl': 'resolve SURL',
  'retrieve-key': 'site: retrieve key',
  'dicom-transaction': 'DICOM transaction',
  'open-overhead': 'open overhead',
  'client-retrieve-key': 'client: retrieve key',
  'init-overhead': 'decryption init',
  read: 'read (transfer, decrypt, write)',
  finish: 'sync',
  overlapped: 'several at once',
  other: 'other',
}

function figure(seconds: readonly number[]): Steps {
  const names = [
    ...['access-control', 'resolve-surl', 'retrieve-key', 'dicom-transaction', 'open-overhead'],
    ...['client-retrieve-key', 'init-overhead', 'read', 'other'],
  ]
  return names.map((name, i) => [name, seconds[i]! * 1_000] as const)
}

/** The steps of a get from the start of its program to its end, by its own report: the medians over its runs. */
export function stepsOf(gets: readonly Usage[]): Steps {
  const each = gets.map(({ wallMs, stdout }) => {
    const report = timingsOf(stdout)
    const rows = new Map(report.rows.map((row) => [row.name, row.exclusiveMs]))
    rows.set('overlapped', report.overlapped.exclusiveMs)
    rows.set('other', report.other.exclusiveMs)
    return rows.set('start', wallMs - report.totalMs)
  })
  const names = [...new Set([...Object.keys(STEP_NAMES), ...each.flatMap((rows) => [...rows.keys()])])]
  return names
    .map((name) => [name, median(each.map((rows) => rows.get(name) ?? 0))] as const)
    .filter(([, ms]) => ms > 0)
}

export const sumOf = (steps: Steps): number => steps.reduce((sum, [, ms]) => sum + ms, 0)
