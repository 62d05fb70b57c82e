import type { SeriesRef } from '../source.ts'

/** True for what can be a part of a path without changing its meaning. Real data has UIDs that are none. */
export function isUid(text: string): boolean {
  return /^[\x21-\x7e]{1,128}$/.test(text) && text !== '.' && text !== '..'
}

/** Resource of a series (DICOM PS3.18 section 10.1.1). */
export function seriesPath({ study, series }: SeriesRef): string {
  return `/studies/${encodeURIComponent(study)}/series/${encodeURIComponent(series)}`
}

export function instancePath(ref: SeriesRef, sop: string): string {
  return `${seriesPath(ref)}/instances/${encodeURIComponent(sop)}`
}
