import { isSecurity } from '../profile.ts'
import type { Quartiles } from '../statistics.ts'
import { FIGURE_4, STEP_NAMES, sumOf, type Steps } from '../steps.ts'
import type { Report } from './report.ts'

/** The report for a person. */
export function markdown(r: Report): string {
  const facts = [...Object.entries(r.machine), ...Object.entries(r.versions)]
  return [
    '# Bench',
    '',
    `${facts.map(([name, value]) => `${name} ${value}`).join(' · ')}`,
    '',
    `What is measured is the packed and unpacked package, each get a process of its own, 3 of 5 key servers, ${r.pairs} alternating pairs. Ratios are medians of the pairs' ratios [quartiles].`,
    ...(r.quick ? ['', '**Small series: these times mean nothing.**'] : []),
    ...section('Ratios', ratios(r)),
    ...section('Rows', rows(r)),
    ...section('Where the time goes (exclusive, ms)', steps({ ...FIGURE_4, ...r.steps })),
    ...section('Peak memory for 4 times the slices', memory(r)),
    ...section("Security's share of a cold CT get (the paper: 65 %)", security(r)),
    '',
  ].join('\n')
}

function ratios({ comparisons }: Report): string[] {
  return table(
    ['comparison', 'time', 'CPU, with servers', 'at most', ''],
    comparisons.map(({ name, ratio, cpuRatio, bar, met }) => [
      name,
      spread(ratio, 2),
      spread(cpuRatio, 2),
      bar?.toString() ?? '',
      met === undefined ? '' : met ? 'met' : '**missed**',
    ]),
  )
}

function rows({ rows }: Report): string[] {
  return table(
    ['row', 'runs', 'ms', 'CPU s', 'servers CPU s', 'peak MiB', 'servers peak MiB'],
    rows.map((row) => [
      row.name,
      String(row.runs),
      spread(row.wallMs, 0),
      row.cpuS.toFixed(2),
      row.serverCpuS.toFixed(2),
      row.peakMib.toFixed(0),
      Object.entries(row.serverPeakMib)
        .map(([name, mib]) => `${name} ${mib.toFixed(0)}`)
        .join(', '),
    ]),
  )
}

function steps(all: Readonly<Record<string, Steps>>): string[] {
  const titles = Object.keys(all)
  const names = Object.keys(STEP_NAMES).filter((name) =>
    titles.some((t) => all[t]!.some(([step]) => step === name)),
  )
  const cell = (title: string, name: string) => {
    const ms = all[title]!.find(([step]) => step === name)?.[1]
    return ms === undefined ? '' : `${ms.toFixed(0)} (${((100 * ms) / sumOf(all[title]!)).toFixed(0)} %)`
  }
  return table(
    ['step', ...titles],
    [
      ...names.map((name) => [STEP_NAMES[name]!, ...titles.map((title) => cell(title, name))]),
      ['all', ...titles.map((title) => sumOf(all[title]!).toFixed(0))],
    ],
  )
}

function memory({ memory }: Report): string[] {
  return table(
    ['process', 'peak MiB', 'more MiB for 4 times the slices', 'at most', ''],
    memory.map(({ name, baseMib, addedMib, bar, met }) => [
      ...[name, baseMib.toFixed(0), spread(addedMib, 0), String(bar), met ? 'met' : '**missed**'],
    ]),
  )
}

function security({ security }: Report): string[] {
  const verdicts = table(
    ['share', '%', 'below', ''],
    security.map(({ name, percent, bar, met }) => [
      name,
      percent.toFixed(1),
      String(bar),
      met ? 'met' : '**missed**',
    ]),
  )
  const shares = security.find((s) => s.shares !== undefined)?.shares
  if (shares === undefined) return verdicts
  const sorted = Object.entries(shares).toSorted(([, a], [, b]) => b - a)
  const total = sorted.reduce((sum, [, ms]) => sum + ms, 0)
  return [
    ...verdicts,
    '',
    'CPU time of one get by owner, client and servers together: what Node and packages do counts for the folder of ours that asked for it.',
    '',
    ...table(
      ['owner', 'ms', '%', 'security'],
      sorted
        .filter(([, ms]) => ms >= total / 500)
        .map(([owner, ms]) => [
          ...[owner, ms.toFixed(1), ((100 * ms) / total).toFixed(1), isSecurity(owner) ? 'yes' : ''],
        ]),
    ),
  ]
}

const section = (title: string, lines: string[]): string[] =>
  lines.length === 0 ? [] : ['', `## ${title}`, '', ...lines]

/** Nothing where there are no rows. */
function table(head: readonly string[], body: readonly (readonly string[])[]): string[] {
  if (body.length === 0) return []
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...body.map(line)]
}

function spread({ q1, median, q3 }: Quartiles, digits: number): string {
  return `${median.toFixed(digits)} [${q1.toFixed(digits)}-${q3.toFixed(digits)}]`
}
