import { readableBytes } from './output.ts'
import type { OutputPlan } from './output-plan.ts'
import { formatTimings, type TimingReport } from './timing-table.ts'

/** How a command talks. */
export interface Teller {
  print(line: string): void
  talk(line: string): void
  /** true under --json, which says all of it anyway */
  readonly isQuiet: boolean
}

/** What was fetched: a volume of a site, or a file of a storage service. */
interface Saved {
  readonly path: string
  readonly bytes: number
  readonly sha256: string
  readonly resumedFrom: number
  readonly guid?: string
  readonly version?: number
  readonly latest?: number
  readonly surl?: string
}

/** Says what was fetched and where it is: the path as data, the rest as talk. */
export function tellSaved(
  { print, talk, isQuiet }: Teller,
  saved: Saved,
  o: { kind: OutputPlan['kind']; timings: TimingReport | undefined },
): void {
  const { guid, version = 0, latest = 0 } = saved
  const resumed = saved.resumedFrom > 0 ? `, resumed from ${readableBytes(saved.resumedFrom)}` : ''
  const what = guid === undefined ? saved.surl : `${guid} version ${version}`
  if (o.kind !== 'stdout') print(saved.path)
  if (o.kind !== 'stdout' && !isQuiet)
    talk(`${what}: ${readableBytes(saved.bytes)}, SHA-256 ${saved.sha256}${resumed}`)
  if (latest > version) talk(`note: version ${latest} of ${guid} is newer`)
  if (o.timings !== undefined) process.stderr.write(formatTimings(o.timings))
}
