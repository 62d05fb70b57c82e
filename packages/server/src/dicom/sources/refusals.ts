import { MdmError } from '@mdm/core/errors'
import type { DicomSource } from '../source.ts'

/** A refusal is told of once in this time: who tries again is refused again. */
const QUIET_MS = 60_000

/**
 * The same source; `refused` is told when its server will not have us, or shows a certificate that we do not know: somebody
 * else may stand in its place.
 */
export function noteRefusals(source: DicomSource, refused: () => void): DicomSource {
  let quietUntil = -Infinity
  const look = (error: unknown): never => {
    const isRefusal = error instanceof MdmError && error.code === 'MDM_SOURCE_REFUSED'
    if (isRefusal && performance.now() >= quietUntil) {
      quietUntil = performance.now() + QUIET_MS
      refused()
    }
    throw error
  }
  async function* watched<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
    try {
      yield* items
    } catch (error) {
      look(error)
    }
  }
  return {
    ...source,
    series: (o) => source.series(o).catch(look),
    count: (ref, signal) => source.count(ref, signal).catch(look),
    headers: (ref, signal) => watched(source.headers(ref, signal)),
    retrieve: (ref, wanted, signal) => watched(source.retrieve(ref, wanted, signal)),
    objects: (ref, o) => watched(source.objects(ref, o)),
  }
}
