import { MdmError, type ErrorCode } from '@mdm/core/errors'
import type { Sha256 } from '@mdm/core/names'
import type { DicomSource, SeriesRef } from '../../dicom/source.ts'
import type { Log } from '../../http/log.ts'
import { originOf } from '../../http/problem.ts'
import type { SiteStore } from '../../store/site-store.ts'
import { readChanges } from './changes.ts'
import { completeSeries } from './completer.ts'
import { watchFolder } from './folder.ts'
import { lookAgain, type LookLoop } from './look-loop.ts'
import type { Notices } from './notices.ts'
import type { Orthanc } from './orthanc.ts'
import { createPoll } from './poll.ts'

/** How often a list of changes is read on, ms. */
const CHANGES_MS = 1_000

/** A source and how what is new there is found. */
export interface TriggeredSource {
  readonly source: DicomSource
  readonly quietMs: number
  /** 0 is never */
  readonly pollMs: number
  readonly pollDays?: number | undefined
  /** path of a folder source */
  readonly folder?: string | undefined
  readonly changes?: { readonly orthanc: Orthanc; readonly list: Sha256 } | undefined
}

export interface Triggers {
  /** Brings forward the next look at what can tell of changes: Orthanc's list, else the poll of a server. */
  hint(): void
  /** When each look at a source last ended well; the start where none has. */
  looked(): readonly { readonly source: string; readonly by: 'poll' | 'changes'; readonly at: Date }[]
  /** Stops; what was noticed stays in the store. */
  close(): Promise<void>
}

/**
 * Starts what registers by itself: polls, Orthanc's lists of changes, watched folders, and for each source the loop that registers
 * what they and the listener noticed.
 */
export function startTriggers(o: {
  readonly db: SiteStore
  readonly notices: Notices
  readonly sources: readonly TriggeredSource[]
  readonly register: (source: DicomSource, ref: SeriesRef) => Promise<void>
  readonly now: () => Date
  readonly log: Log
}): Triggers {
  const { db, notices, now, log } = o
  const stop = new AbortController()
  const { signal } = stop
  const last = new Map<string, { source: string; by: 'poll' | 'changes'; at: Date }>()
  const hinted: LookLoop[] = []
  const folders: { close(): void }[] = []
  const running: Promise<void>[] = []

  const loop = (
    { source }: TriggeredSource,
    by: 'poll' | 'changes',
    everyMs: number,
    look: (signal: AbortSignal) => Promise<'more' | 'all'>,
  ): LookLoop => {
    const looked = () => last.set(`${by} ${source.name}`, { source: source.name, by, at: now() })
    looked()
    const looking = lookAgain({
      ...{ everyMs, firstInMs: 0, signal },
      async look(signal) {
        const found = await look(signal)
        looked()
        return found
      },
      failed: (error) => log.warn({ event: `${by}-failed`, code: codeOf(error), at: originOf(error) }),
    })
    running.push(looking.ended)
    return looking
  }

  for (const of of o.sources) {
    const { source, quietMs, pollMs, pollDays, folder, changes } = of
    const register = (ref: SeriesRef) => o.register(source, ref)
    running.push(completeSeries({ notices, source, quietMs, register, log, signal }))
    if (changes !== undefined) {
      const read = readChanges({ db, notices, now, source: source.name, ...changes })
      hinted.push(loop(of, 'changes', CHANGES_MS, read))
    }
    if (pollMs === 0) continue
    const watched = folder === undefined ? undefined : watchFolder(folder, () => polling.hint())
    if (watched !== undefined) folders.push(watched)
    const compare = createPoll({ db, notices, source, pollDays, now })
    const polling = loop(of, 'poll', pollMs, async (signal) => {
      await watched?.refresh()
      await compare(signal)
      return 'all'
    })
    if (changes === undefined && folder === undefined) hinted.push(polling)
  }

  return {
    hint() {
      for (const looking of hinted) looking.hint()
    },
    looked: () => [...last.values()],
    async close() {
      stop.abort(new MdmError('MDM_UNREACHABLE', 'the site is stopping'))
      for (const folder of folders) folder.close()
      await Promise.allSettled(running)
    },
  }
}

function codeOf(error: unknown): ErrorCode {
  return error instanceof MdmError ? error.code : 'MDM_INTERNAL'
}
