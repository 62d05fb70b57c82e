import type { SeriesFilter, SeriesRef } from '../source.ts'
import { isUid, seriesPath } from './paths.ts'
import { searchPage, text, type Asker, type Row } from './dicom-json.ts'

/** Records asked for at once; a server may give fewer. */
const PAGE = 500
const MAX_RECORDS = 2_000_000

/** A series at a server, with the number of its objects where the server gives it. */
export interface FoundSeries extends SeriesRef {
  objects: number | undefined
}

/**
 * Every series of a server that the filter means, each once. What a server gives beyond the filter is left out.
 *
 * @throws MDM_SOURCE_UNREACHABLE
 * @see DICOM PS3.18 section 10.6 (QIDO-RS)
 */
export async function searchSeries(filter: SeriesFilter, o: Asker): Promise<FoundSeries[]> {
  const { from, to } = filter.studyDate ?? {}
  const parameters = new URLSearchParams()
  const set = (name: string, value: string | undefined): void => {
    if (value !== undefined) parameters.set(name, value)
  }
  set('StudyInstanceUID', filter.study)
  set('SeriesInstanceUID', filter.series)
  set('Modality', filter.modality)
  set('PatientID', filter.patientId)
  if (from !== undefined || to !== undefined) set('StudyDate', `${from ?? ''}-${to ?? ''}`)
  parameters.append('includefield', '00080020,00080060,00100020,00201209')
  const single = filter.study !== undefined && filter.series !== undefined
  const found = new Map<string, FoundSeries>()
  for await (const row of searchAll('/series', parameters, keyOfSeries, { ...o, single })) {
    if (!isMeant(row, filter)) continue
    const series = foundIn(row)
    if (series !== undefined) found.set(keyOfSeries(row), series)
  }
  return [...found.values()]
}

/** SOPInstanceUIDs of a series, each once. @throws MDM_SOURCE_UNREACHABLE */
export async function searchInstances(ref: SeriesRef, o: Asker): Promise<string[]> {
  const keyOf = (row: Row): string => text(row, '00080018')
  const path = `${seriesPath(ref)}/instances`
  const found = new Set<string>()
  for await (const row of searchAll(path, new URLSearchParams(), keyOf, { ...o, single: false })) {
    const sop = keyOf(row)
    if (isUid(sop)) found.add(sop)
  }
  return [...found]
}

/** A series of the server, whichever it names first; undefined when it has none. */
export async function firstSeries(o: Asker): Promise<FoundSeries | undefined> {
  const [row] = await searchPage('/series?limit=1&includefield=00201209', o)
  return row && foundIn(row)
}

/** An object of a series; undefined when it has none. */
export async function firstInstance(ref: SeriesRef, o: Asker): Promise<string | undefined> {
  const [row] = await searchPage(`${seriesPath(ref)}/instances?limit=1`, o)
  const sop = row === undefined ? '' : text(row, '00080018')
  return isUid(sop) ? sop : undefined
}

/**
 * All records, page by page. A server may give fewer than asked, or begin at the beginning each time, so only a page that
 * brings nothing new is the end.
 */
async function* searchAll(
  path: string,
  parameters: URLSearchParams,
  keyOf: (row: Row) => string,
  o: Asker & { single: boolean },
): AsyncGenerator<Row> {
  const seen = new Set<string>()
  for (let offset = 0; offset < MAX_RECORDS;) {
    const paging = `limit=${PAGE}&offset=${offset}`
    const query = parameters.size === 0 ? paging : `${parameters}&${paging}`
    const rows = await searchPage(`${path}?${query}`, o)
    const fresh = rows.filter((row) => !seen.has(keyOf(row)))
    for (const row of fresh) seen.add(keyOf(row))
    yield* fresh
    offset += rows.length
    if (fresh.length === 0 || o.single) return
  }
  throw o.fault('never ends its answer to a search')
}

function foundIn(row: Row): FoundSeries | undefined {
  const [study, series] = [text(row, '0020000D'), text(row, '0020000E')]
  const objects = text(row, '00201209')
  if (!isUid(study) || !isUid(series)) return undefined
  return { study, series, objects: /^\d{1,9}$/.test(objects) ? Number(objects) : undefined }
}

function keyOfSeries(row: Row): string {
  return `${text(row, '0020000D')}\\${text(row, '0020000E')}`
}

/** A value that the server does not give is one that it was trusted to compare. */
function isMeant(row: Row, { study, series, modality, studyDate, patientId }: SeriesFilter): boolean {
  const same = (tag: keyof Row, wanted: string | undefined): boolean =>
    wanted === undefined || row[tag]?.Value === undefined || text(row, tag) === wanted
  const date = text(row, '00080020')
  const within =
    date === '' ||
    ((studyDate?.from === undefined || date >= studyDate.from) &&
      (studyDate?.to === undefined || date <= studyDate.to))
  return (
    same('0020000D', study) &&
    same('0020000E', series) &&
    same('00080060', modality) &&
    same('00100020', patientId) &&
    within
  )
}
