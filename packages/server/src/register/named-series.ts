import { MdmError } from '@mdm/core/errors'
import type { RegisterQuestion, SeriesHandle } from '@mdm/core/wire/register'
import type { SeriesRef } from '../dicom/source.ts'
import type { SiteStore } from '../store/site-store.ts'

/** A series that a question names, as this site knows it. */
export interface NamedSeries {
  readonly source: string
  readonly ref: SeriesRef
}

/** Series by name, and the handles that name none. */
export interface NamedSeriesList {
  readonly found: readonly NamedSeries[]
  readonly unknown: readonly SeriesHandle[]
}

/**
 * The series that a question names by handle or by quarantine row, each once.
 *
 * @returns undefined when it names none: then all of the source are meant
 * @throws MDM_NOT_FOUND when a row is not there, MDM_USAGE when it is about objects without a series
 */
export async function namedSeries(
  db: SiteStore,
  { series, quarantine }: Pick<RegisterQuestion, 'series' | 'quarantine'>,
): Promise<NamedSeriesList | undefined> {
  if (series === undefined && quarantine === undefined) return undefined
  const found = new Map<string, NamedSeries>()
  const add = ({ source, study, series: uid }: { source: string; study: string; series: string }) =>
    found.set(JSON.stringify([source, study, uid]), { source, ref: { study, series: uid } })
  const unknown: SeriesHandle[] = []
  for (const handle of new Set(series)) {
    const row = await db
      .selectFrom('journal')
      .select(['source', 'study', 'series'])
      .where('series_key', '=', handle)
      .orderBy('created')
      .executeTakeFirst()
    if (row === undefined) unknown.push(handle)
    else add(row)
  }
  for (const id of new Set(quarantine)) {
    const row = await db
      .selectFrom('quarantine')
      .select(['source', 'study', 'series'])
      .where('id', '=', id)
      .where('dropped', 'is', null)
      .executeTakeFirst()
    if (row === undefined) throw new MdmError('MDM_NOT_FOUND', 'there is no such row in quarantine')
    if (row.series === '') {
      const text = `${id} is of objects that belong to no series: "mdm register --source NAME" looks again`
      throw new MdmError('MDM_USAGE', text)
    }
    add(row)
  }
  return { found: [...found.values()], unknown }
}
