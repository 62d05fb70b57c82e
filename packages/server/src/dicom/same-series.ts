import type { SeriesRef } from './source.ts'

/** A key that no two series have in common, since no UID holds a blank; in memory only: it identifies. */
export function seriesKey({ study, series }: SeriesRef): string {
  return `${study} ${series}`
}

/** True when both are of one series. */
export function isSameSeries(a: SeriesRef, b: SeriesRef): boolean {
  return a.study === b.study && a.series === b.series
}
