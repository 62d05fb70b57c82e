import { MdmError } from '@mdm/core/errors'
import type { Association, Query } from '../../dimse/types.ts'
import type { FoundSeries, SeriesFilter, SeriesRef } from '../../source.ts'

/** Tags of query keys (PS3.4 C.6.2.1). Only those of the level that is asked: CTN refuses the others. */
const STUDY = '0020000d'
const SERIES = '0020000e'
const SOP = '00080018'
const SOP_CLASS = '00080016'
const STUDY_DATE = '00080020'
const MODALITY = '00080060'
const PATIENT_ID = '00100020'
const SERIES_OBJECTS = '00201209'

type Match = ReadonlyMap<string, string>

/** A longer answer is no answer: the memory of the site is not the peer's to fill. */
const MOST_MATCHES = 1_000_000

/**
 * Study by study, since only some servers answer for series without their study (PS3.4 C.4.1.2.2).
 * What was asked for is looked at in the answer too: a server may pass over a key, or take a character as a wild card.
 */
export async function* findSeries(
  association: Association,
  { study = '', series = '', modality = '', patientId = '', studyDate = {} }: SeriesFilter,
  signal?: AbortSignal,
): AsyncGenerator<FoundSeries> {
  const { from = '', to = '' } = studyDate
  const range = from === '' && to === '' ? '' : `${from}-${to}`
  const keys = { [STUDY]: study, [STUDY_DATE]: range, [PATIENT_ID]: patientId }
  const isMeant = (match: Match): boolean => {
    const date = match.get(STUDY_DATE) ?? ''
    const inRange = range === '' || (date !== '' && date >= from && (to === '' || date <= to))
    return inRange && agrees(match, STUDY, study) && agrees(match, PATIENT_ID, patientId)
  }
  const studies = new Set<string>()
  for await (const match of bounded(association, { model: 'study', level: 'STUDY', keys }))
    if (isMeant(match)) studies.add(match.get(STUDY) ?? '')
  studies.delete('')
  for (const uid of studies) {
    signal?.throwIfAborted()
    const found = new Map<string, FoundSeries>()
    const query = { [STUDY]: uid, [SERIES]: series, [MODALITY]: modality, [SERIES_OBJECTS]: '' }
    for await (const match of bounded(association, { model: 'study', level: 'SERIES', keys: query })) {
      const name = match.get(SERIES) ?? ''
      if (name !== '' && agrees(match, SERIES, series) && agrees(match, MODALITY, modality))
        found.set(name, { study: uid, series: name, ...told(match) })
    }
    yield* found.values()
  }
}

function agrees(match: Match, tag: string, wanted: string): boolean {
  return wanted === '' || match.get(tag) === wanted
}

/** SOP instance UID to SOP class UID of a series, or of one object of it. */
export async function findObjects(
  association: Association,
  ref: SeriesRef,
  sop = '',
): Promise<Map<string, string>> {
  const keys = { [STUDY]: ref.study, [SERIES]: ref.series, [SOP]: sop, [SOP_CLASS]: '' }
  const objects = new Map<string, string>()
  for await (const match of bounded(association, { model: 'study', level: 'IMAGE', keys })) {
    const uid = match.get(SOP) ?? ''
    if (uid !== '' && (sop === '' || uid === sop)) objects.set(uid, match.get(SOP_CLASS) ?? '')
  }
  return objects
}

/**
 * What a server says a series has: Number of Series Related Instances.
 *
 * @returns 0 where there is no such series, undefined where the server does not say
 */
export async function seriesCount(association: Association, ref: SeriesRef): Promise<number | undefined> {
  const keys = { [STUDY]: ref.study, [SERIES]: ref.series, [SERIES_OBJECTS]: '' }
  let count: number | undefined = 0
  for await (const match of bounded(association, { model: 'study', level: 'SERIES', keys })) {
    if (match.get(SERIES) !== ref.series) continue
    count = told(match).objects
  }
  return count
}

/** The number of objects that the answer for a series gives, where it gives one. */
function told(match: Match): { objects?: number } {
  const number = /^[0-9]{1,9}$/.exec(match.get(SERIES_OBJECTS)?.trim() ?? '')
  return number === null ? {} : { objects: Number(number[0]) }
}

async function* bounded(association: Association, query: Query): AsyncGenerator<Match> {
  let matches = 0
  for await (const match of association.find(query)) {
    if (++matches > MOST_MATCHES)
      throw new MdmError('MDM_SOURCE_UNREACHABLE', 'the source names more than can be true')
    yield match
  }
}
