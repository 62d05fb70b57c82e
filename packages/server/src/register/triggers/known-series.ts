import { seriesKey } from '../../dicom/same-series.ts'
import type { SeriesRef } from '../../dicom/source.ts'
import type { SiteQueries } from '../../store/site-store.ts'

/** A series that registration has dealt with. */
export interface KnownSeries {
  readonly ref: SeriesRef
  /** objects it had then */
  readonly objects: number
  /** undefined where the source gave none, or it was registered by hand */
  readonly mark: string | undefined
  /** false: it was registered by hand, and `objects` are the slices of its volumes */
  readonly counted: boolean
}

/** What registration has dealt with of a source, by seriesKey(). */
export async function knownSeries(db: SiteQueries, source: string): Promise<Map<string, KnownSeries>> {
  const counted = await db
    .selectFrom('series_counts')
    .select(['study', 'series', 'objects', 'mark'])
    .where('source', '=', source)
    .execute()
  const byHand = await db
    .selectFrom('volumes')
    .innerJoin('slices', (join) =>
      join.onRef('slices.guid', '=', 'volumes.guid').onRef('slices.version', '=', 'volumes.latest'),
    )
    .select(['volumes.study', 'volumes.series', (eb) => eb.fn.countAll().as('objects')])
    .where('volumes.source', '=', source)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('series_counts')
            .select('series_counts.objects')
            .whereRef('series_counts.source', '=', 'volumes.source')
            .whereRef('series_counts.study', '=', 'volumes.study')
            .whereRef('series_counts.series', '=', 'volumes.series'),
        ),
      ),
    )
    .groupBy(['volumes.study', 'volumes.series'])
    .execute()
  return new Map(
    [
      ...counted.map((row) => ({ ...row, mark: row.mark ?? undefined, counted: true })),
      ...byHand.map((row) => ({ ...row, objects: Number(row.objects), mark: undefined, counted: false })),
    ].map(({ study, series, ...rest }) => [
      seriesKey({ study, series }),
      { ref: { study, series }, ...rest },
    ]),
  )
}

/**
 * The registered series of a source whose study is of a day or later, by seriesKey().
 *
 * @param from YYYY-MM-DD
 */
export async function seriesSince(db: SiteQueries, source: string, from: string): Promise<Set<string>> {
  const rows = await db
    .selectFrom('volumes')
    .innerJoin('medical', (join) =>
      join.onRef('medical.guid', '=', 'volumes.guid').onRef('medical.version', '=', 'volumes.latest'),
    )
    .select(['volumes.study', 'volumes.series'])
    .distinct()
    .where('volumes.source', '=', source)
    .where('medical.study_date', '>=', from)
    .execute()
  return new Set(rows.map(seriesKey))
}
