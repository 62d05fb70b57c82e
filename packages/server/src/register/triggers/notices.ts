import type { Transaction } from 'kysely'
import { seriesKey } from '../../dicom/same-series.ts'
import type { SeriesRef } from '../../dicom/source.ts'
import type { SiteSchema } from '../../store/site-schema.ts'
import type { SiteStore } from '../../store/site-store.ts'
import { inTransaction } from '../../store/transaction.ts'
import { dropNotice, keepNotices, readNotices, setCount } from './notice-rows.ts'

/** Who points at series. A watched folder and a web hook only bring a look forward, so they point at none themselves. */
export type Trigger = 'listener' | 'changes' | 'poll'

/** A series that a trigger points at; what it says of it is compared with, never believed. */
export interface Hint {
  readonly source: string
  readonly ref: SeriesRef
  readonly objects?: number | undefined
  readonly mark?: string | undefined
}

/** A series to be registered. Times are those of performance.now(). */
export interface Notice {
  readonly source: string
  readonly ref: SeriesRef
  readonly trigger: Trigger
  readonly noticedAt: number
  /** how often it was pointed at: what is done for a notice holds only while this stands still */
  touches: number
  touchedAt: number
  /** what the source last counted, and since when it counts that; undefined after a touch */
  counted: { readonly objects: number; readonly since: number } | undefined
  mark: string | undefined
}

/** Something to be done in the next transaction. */
type Write = (trx: Transaction<SiteSchema>) => Promise<void>

/**
 * Every series that was pointed at and not dealt with since: rows of the store, and the same in memory. A row that is on the disk
 * stands for whatever comes to its series from then on, so a touch of a known series is durable at once: it is one commit for a
 * series and not one for each of its thousand slices. After a restart every row counts as just touched.
 */
export interface Notices {
  /**
   * Notes series. Resolves when they are on the disk.
   *
   * @param more done in the same transaction, such as moving a cursor
   * @throws MDM_STORE: then they may be known, but are not on the disk
   */
  note(trigger: Trigger, hints: readonly Hint[], more?: Write): Promise<void>
  find(source: string, ref: SeriesRef): Notice | undefined
  of(source: string): Iterable<Notice>
  count(source: string): number
  /**
   * Forgets a notice that was dealt with, and keeps how the series stood then.
   *
   * @param touches what it stood at when the work began
   * @returns false when it was touched meanwhile: then it stays
   * @throws MDM_STORE
   */
  settle(notice: Notice, touches: number, objects: number): Promise<boolean>
}

interface Entry extends Notice {
  /** its row is on the disk */
  kept: boolean
}

export async function openNotices(db: SiteStore, now: () => Date): Promise<Notices> {
  const sources = new Map<string, Map<string, Entry>>()
  const write = createWriter(db)
  const within = (source: string): Map<string, Entry> => {
    const entries = sources.get(source) ?? new Map<string, Entry>()
    sources.set(source, entries)
    return entries
  }
  const add = (trigger: Trigger, { source, ref: { study, series }, mark }: Hint, kept: boolean): Entry => {
    const at = performance.now()
    const times = { noticedAt: at, touchedAt: at, touches: 0, counted: undefined }
    const ref = { study, series }
    const entry: Entry = { source, ref, trigger, mark, ...times, kept }
    within(source).set(seriesKey(ref), entry)
    return entry
  }
  for (const { trigger, ...hint } of await readNotices(db)) add(trigger, hint, true)

  return {
    async note(trigger, hints, more) {
      const noted = hints.map((hint) => {
        const entry = within(hint.source).get(seriesKey(hint.ref)) ?? add(trigger, hint, false)
        touch(entry, hint)
        return entry
      })
      // What moves a cursor must not lean on a row of another transaction, which may fail.
      const rows = more === undefined ? noted.filter(({ kept }) => !kept) : noted
      if (rows.length === 0 && more === undefined) return
      await write(async (trx) => {
        await keepNotices(trx, rows, now())
        await more?.(trx)
      })
      for (const entry of rows) entry.kept = true
    },

    find: (source, ref) => sources.get(source)?.get(seriesKey(ref)),
    of: (source) => sources.get(source)?.values() ?? [],
    count: (source) => sources.get(source)?.size ?? 0,

    async settle(notice, touches, objects) {
      const entries = within(notice.source)
      if (notice.touches !== touches || entries.get(seriesKey(notice.ref)) !== notice) return false
      // From here on whoever points at the series makes a new row, which is written after this one is deleted.
      entries.delete(seriesKey(notice.ref))
      try {
        await write(async (trx) => {
          await dropNotice(trx, notice)
          await setCount(trx, { ...notice, objects }, now())
        })
      } catch (error) {
        // Whether it was committed is not known; to deal with it again is harmless.
        if (!entries.has(seriesKey(notice.ref)))
          entries.set(seriesKey(notice.ref), { ...(notice as Entry), kept: false })
        throw error
      }
      return true
    },
  }
}

function touch(entry: Entry, { objects, mark }: Hint): void {
  const at = performance.now()
  entry.touches++
  entry.touchedAt = at
  entry.counted = objects === undefined ? undefined : { objects, since: at }
  if (mark !== undefined) entry.mark = mark
}

/** Writes that wait together are one transaction, in their order. */
function createWriter(db: SiteStore): (write: Write) => Promise<void> {
  let waiting: { write: Write; resolve: () => void; reject: (error: unknown) => void }[] = []
  let flushing = false
  const flush = async (): Promise<void> => {
    flushing = true
    // One turn of the event loop lets the objects of this turn join the same commit.
    await new Promise((resolve) => setImmediate(resolve))
    while (waiting.length > 0) {
      const group = waiting
      waiting = []
      try {
        await inTransaction(db, async (trx) => {
          for (const { write } of group) await write(trx)
        })
        for (const { resolve } of group) resolve()
      } catch (error) {
        for (const { reject } of group) reject(error)
      }
    }
    flushing = false
  }
  return async (write) =>
    await new Promise<void>((resolve, reject) => {
      waiting.push({ write, resolve, reject })
      if (!flushing) void flush()
    })
}
