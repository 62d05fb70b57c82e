import { MdmError } from '../../../../packages/core/src/errors.ts'
import type { DicomSource, FoundSeries, SeriesRef } from '../../../../packages/server/src/dicom/source.ts'

/** A source that says what a test wants it to say of its series, and counts what it was asked. */
export interface FakeSource extends DicomSource {
  /** by `study series` */
  readonly has: Map<string, FoundSeries & { objects: number }>
  /** it does not answer */
  away: boolean
  /** series() gives no counts, as most C-FIND providers */
  mute: boolean
  readonly asked: { series: unknown[]; counts: number }
  put(name: string, objects: number, mark?: string): SeriesRef
}

export function fakeSource(name = 'pacs'): FakeSource {
  const has: FakeSource['has'] = new Map()
  const none = (): never => {
    throw new Error('nothing but series and counts is to be read')
  }
  const answer = <T>(found: T): T => {
    if (fake.away) throw new MdmError('MDM_SOURCE_UNREACHABLE')
    return found
  }
  const fake: FakeSource = {
    ...{ name, has, away: false, mute: false, asked: { series: [], counts: 0 } },
    put(series, objects, mark) {
      const ref = { study: '1.2', series: `1.2.${series}` }
      has.set(`${ref.study} ${ref.series}`, { ...ref, objects, ...(mark === undefined ? {} : { mark }) })
      return ref
    },
    async series(o = {}) {
      fake.asked.series.push(o.filter)
      return answer(
        [...has.values()].map(({ objects, ...rest }) => (fake.mute ? rest : { ...rest, objects })),
      )
    },
    async count({ study, series }) {
      fake.asked.counts++
      return answer(has.get(`${study} ${series}`)?.objects ?? 0)
    },
    headers: none,
    retrieve: none,
    objects: none,
    probe: none,
    faults: () => [],
    close: async () => {},
  }
  return fake
}
