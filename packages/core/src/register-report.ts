import { z } from 'zod'
import { Guid, SiteId, Version } from './names.ts'
import { noCounts, RegisterCounts, SeriesHandle, type RegisterEvent } from './wire/register.ts'

/** Series of one report: what no source of ours has. A report that says more is refused before it is used. */
export const MOST_OUTCOMES = 1_000_000
/** Characters of one report. */
export const MOST_REPORT_CHARACTERS = 256 * 1024 * 1024

/** What became of one volume of a series; nothing in it says whose images they are. */
export const ReportedOutcome = z.strictObject({
  series: SeriesHandle.optional(),
  outcome: z.enum(['registered', 'already', 'returned', 'gone', 'refused', 'dropped', 'waiting', 'failed']),
  code: z.string().max(64).optional(),
  guid: Guid.optional(),
  version: Version.optional(),
  quarantine: z.string().max(32).optional(),
})
export type ReportedOutcome = z.infer<typeof ReportedOutcome>

/** The report of `mdm register --report FILE`, version 1. @see docs/formats/register-report.md */
export const RegisterReportFile = z.strictObject({
  format: z.literal('mdm-register-report'),
  version: z.literal(1),
  site: SiteId,
  source: z.string().max(32).optional(),
  /** true where only a part of the source was asked for; the expression may name a patient and is not kept */
  filtered: z.boolean(),
  began: z.iso.datetime(),
  ended: z.iso.datetime(),
  /** true when the site said that it had done all, and every outcome stands here */
  complete: z.boolean(),
  /** why it ended before that */
  code: z.string().max(64).optional(),
  counts: RegisterCounts,
  outcomes: z.array(ReportedOutcome).max(MOST_OUTCOMES),
})
export type RegisterReportFile = z.infer<typeof RegisterReportFile>

/** @returns undefined for an event that is no outcome */
export function outcomeOf(told: Exclude<RegisterEvent, { type: 'done' }>): ReportedOutcome | undefined {
  if (told.type === 'progress' || told.type === 'error' || told.type === 'set') return undefined
  const of = { series: told.series, outcome: told.type }
  if (told.type === 'registered') return { ...of, guid: told.volume.guid, version: told.volume.version }
  if (told.type === 'refused') return { ...of, code: told.refused.code, quarantine: told.refused.quarantine }
  if (told.type === 'dropped') return { ...of, quarantine: told.quarantine }
  if (told.type === 'failed' || told.type === 'waiting') return { ...of, code: told.code }
  return { ...of, guid: told.guid }
}

export function countOutcomes(outcomes: readonly ReportedOutcome[]): RegisterCounts {
  const counts = noCounts()
  for (const { outcome } of outcomes) counts[outcome]++
  return counts
}

/** The series worth another try: what failed, waits or was refused, each once. */
export function againOf({ outcomes }: Pick<RegisterReportFile, 'outcomes'>): SeriesHandle[] {
  const again = outcomes.filter(({ outcome }) => ['failed', 'waiting', 'refused'].includes(outcome))
  return [...new Set(again.flatMap(({ series }) => series ?? []))]
}
