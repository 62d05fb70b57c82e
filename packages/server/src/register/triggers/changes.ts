import type { Sha256 } from '@mdm/core/names'
import type { SeriesRef } from '../../dicom/source.ts'
import type { SiteStore } from '../../store/site-store.ts'
import { lastLook, saveLook } from './looks.ts'
import type { Notices } from './notices.ts'
import type { Changes, Orthanc } from './orthanc.ts'

/** An instance that is written over is new as well. StableSeries comes a minute after the last one, and tells of nothing more. */
const OF_SERIES = new Set(['NewSeries', 'NewInstance'])

export interface ChangesOptions {
  readonly db: SiteStore
  readonly notices: Notices
  readonly orthanc: Orthanc
  /** name of the source whose series these are */
  readonly source: string
  /** SHA-256 of the address of the list: another list is read from its beginning */
  readonly list: Sha256
  readonly now: () => Date
}

/**
 * Reads on in Orthanc's list of changes and notes the series that they are about. Notices and the place in the list are one
 * transaction, so that a stop loses nothing; a list that was put back or emptied is read again from its beginning.
 *
 * @returns a function that reads one page, and says whether there is more
 * @throws MDM_SOURCE_UNREACHABLE, MDM_STORE from that function: the page is read again
 */
export function readChanges(o: ChangesOptions): (signal: AbortSignal) => Promise<'more' | 'all'> {
  const { db, notices, orthanc, source, list } = o
  let position: number | undefined
  return async (signal) => {
    position ??= await positionOf(db, source, list)
    const page = await orthanc.changes(position, signal)
    const restarted = page.Last < position
    const refs = restarted ? [] : await seriesOf(orthanc, page.Changes, signal)
    const next = restarted ? 0 : page.Last
    const hints = refs.map((ref) => ({ source, ref }))
    const look = { source, by: 'changes', at: o.now(), position: next, list } as const
    await notices.note('changes', hints, (trx) => saveLook(trx, look))
    position = next
    return restarted || !page.Done ? 'more' : 'all'
  }
}

async function positionOf(db: SiteStore, source: string, list: Sha256): Promise<number> {
  const last = await lastLook(db, source, 'changes')
  return last?.list === list ? (last.position ?? 0) : 0
}

/** The series that changes are about, each once; one question for each series and not for each instance. What is gone is left out. */
async function seriesOf(
  orthanc: Orthanc,
  changes: Changes['Changes'],
  signal: AbortSignal,
): Promise<SeriesRef[]> {
  const refs = new Map<string, SeriesRef>()
  const seen = new Set<string>()
  for (const { ChangeType, ID, ResourceType } of changes) {
    if (!OF_SERIES.has(ChangeType) || seen.has(ID)) continue
    if (ResourceType !== 'Series' && ResourceType !== 'Instance') continue
    const series = await orthanc.series(ID, ResourceType, signal)
    seen.add(ID)
    if (series === undefined) continue
    for (const id of [series.id, ...series.instances]) seen.add(id)
    refs.set(series.id, series.ref)
  }
  return [...refs.values()]
}
