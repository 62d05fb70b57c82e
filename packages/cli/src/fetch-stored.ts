import type { SavedStoredFile } from '@mdm/core/access/save-stored'
import type { Storage } from '@mdm/core/access/storage'
import { Timing } from '@mdm/core/timing'
import type { OutputPlan } from './output-plan.ts'
import { Progress } from './progress.ts'
import { retryNote } from './retry-note.ts'
import { pathOfStored, type NamedFile } from './stored-input.ts'
import { timingReport, type TimingReport } from './timing-table.ts'

/** Fetches one file of a storage service to where the plan says. */
export async function fetchStored(
  storage: Storage,
  { text, file }: NamedFile,
  plan: OutputPlan,
  o: { retries: number; waitSeconds: number; signal: AbortSignal; talk: (line: string) => void },
): Promise<SavedStoredFile & { timings: TimingReport }> {
  const { saveStored, writeStored } = await import('@mdm/core/access/save-stored')
  const progress = new Progress(text.slice(-36))
  const timing = new Timing()
  const { signal } = o
  const common = { signal, timing, timeoutMs: o.waitSeconds * 1_000, onProgress: progress.bytes }
  try {
    const saved =
      plan.kind === 'stdout'
        ? await writeStored(storage, file, process.stdout, common)
        : await saveStored(storage, file, {
            ...common,
            path: pathOfStored(plan, file),
            retries: o.retries,
            onRetry: retryNote(progress, o.talk),
          })
    return { ...saved, timings: await timingReport(timing.rows, timing.now()) }
  } finally {
    progress.end()
  }
}
