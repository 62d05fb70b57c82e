import { MdmError } from '@mdm/core/errors'
import { dicomwebRoot } from '../dicomweb/address.ts'
import { WebClient } from '../dicomweb/client.ts'
import { faultsOf } from '../dicomweb/faults.ts'
import { probeServer } from '../dicomweb/probe.ts'
import { isUid } from '../dicomweb/paths.ts'
import { searchInstances, searchSeries } from '../dicomweb/qido.ts'
import { identify, type WadoObject } from '../dicomweb/wado.ts'
import { retrieveInstances, retrieveSeries, type Retrieval } from '../dicomweb/retrieve.ts'
import type { DicomSource, Purpose, SeriesRef } from '../source.ts'
import { readObject, readObjectHeader } from './read-objects.ts'
import type { ServerOptions } from './server-options.ts'

/** A server that answers within this time, ms, is near enough for a request an object. */
const NEAR_MS = 15
/** A series with fewer objects than this comes in one reply, whatever its order. */
const LONG = 32
/** How long it is remembered that the replies of a server are in another order than that of the slices, ms. */
const REMEMBERED_MS = 600_000

/**
 * A PACS over DICOMweb: QIDO-RS finds, WADO-RS brings. Nothing that comes is believed to be what was asked for: each
 * object is taken for what its own data set says.
 *
 * @param url `dicomweb+https://host/root`, or `dicomweb+http://` on a loopback address
 * @param options `nearMs`: how soon a server answers that is near enough for a request an object, 15 unless told
 * @throws MDM_CONFIG for a URL that is not one of these
 */
export function dicomwebSource(
  name: string,
  url: string,
  options: ServerOptions & { nearMs?: number },
): DicomSource {
  const fault = faultsOf(name)
  const client = new WebClient(dicomwebRoot(name, url), options, fault)
  const unknown = (): MdmError => new MdmError('MDM_NOT_FOUND', `source ${name} has no such series`)
  const o = (purpose: Purpose, signal: AbortSignal | undefined) => ({ client, fault, purpose, signal })

  async function count(ref: SeriesRef, purpose: Purpose, signal?: AbortSignal): Promise<number> {
    if (!isUid(ref.study) || !isUid(ref.series)) return 0
    const [found] = await searchSeries({ study: ref.study, series: ref.series }, o(purpose, signal))
    if (found === undefined) return 0
    return found.objects ?? (await searchInstances(ref, o(purpose, signal))).length
  }

  async function find(ref: SeriesRef, purpose: Purpose, signal?: AbortSignal): Promise<Found> {
    const began = performance.now()
    const objects = await count(ref, purpose, signal)
    if (objects === 0) throw unknown()
    const near = performance.now() - began < (options.nearMs ?? NEAR_MS)
    return { ...o(purpose, signal), budget: options.budget, ref, objects, near }
  }

  /** The objects asked for, and perhaps others: all of the series unless most would come for nothing. */
  async function* bring(retrieval: Retrieval, sops?: ReadonlySet<string>): AsyncGenerator<WadoObject> {
    if (sops !== undefined && sops.size * 2 < retrieval.objects)
      yield* retrieveInstances(retrieval, [...sops])
    else if (!(yield* retrieveSeries(retrieval))) throw unknown()
  }

  /** When a reply was last seen to be in another order than the one asked for. */
  let scrambled = -Infinity

  /**
   * The same, in about the order asked for where that costs little: a delivery streams while slices come in the order of the
   * volume, and has to wait for the last one when a reply brings them the other way round.
   *
   * @param missing in that order; who reads takes out what came
   */
  async function* bringInOrder(found: Found, missing: ReadonlySet<string>): AsyncGenerator<WadoObject> {
    const matters = found.near && missing.size >= LONG
    if (!matters || performance.now() - scrambled > REMEMBERED_MS) {
      const wanted = [...missing]
      const early = wanted.slice(0, wanted.length >> 2)
      for await (const object of bring(found, missing)) {
        yield object
        if (!matters || missing.size !== wanted.length - 1 || early.some((sop) => !missing.has(sop))) continue
        scrambled = performance.now()
        break
      }
      if (!matters || performance.now() - scrambled > REMEMBERED_MS) return
    }
    yield* retrieveInstances(found, [...missing])
  }

  return {
    name,
    async series({ filter = {}, signal } = {}) {
      const found = await searchSeries(filter, o('register', signal))
      return found.map(({ study, series, objects }) => ({
        ...{ study, series },
        ...(objects !== undefined && { objects }),
      }))
    },
    count: (ref, signal) => count(ref, 'register', signal),
    async *headers(ref, signal) {
      const retrieval = await find(ref, 'register', signal)
      const seen = new Set<string>()
      for await (const object of bring(retrieval)) {
        const header = await readObjectHeader(object).catch(unlessDicom)
        if (header === undefined || !belongs(header, ref) || seen.has(header.sop)) continue
        seen.add(header.sop)
        yield header
      }
      if (seen.size < retrieval.objects)
        throw new MdmError(
          'MDM_SOURCE_INCOMPLETE',
          `source ${name} sent fewer objects than it says the series has`,
        )
    },
    async *retrieve(ref, sops, signal) {
      const missing = new Set(sops)
      const found = await find(ref, 'deliver', signal)
      for await (const object of bringInOrder(found, missing)) {
        const instance = await readObject(object)
        if (instance !== undefined && belongs(instance.header, ref) && missing.delete(instance.header.sop))
          yield instance
        if (missing.size === 0) return
      }
    },
    async *objects(ref, { sops, purpose = 'register', signal } = {}) {
      const missing = sops && new Set(sops)
      const seen = new Set<string>()
      const retrieval = await find(ref, purpose, signal)
      for await (const object of bring(retrieval, missing)) {
        const found = await identify(object)
        if (found === undefined || !belongs(found.header, ref) || seen.has(found.header.sop)) continue
        seen.add(found.header.sop)
        if (missing?.delete(found.header.sop) === false) continue
        yield found.object
        if (missing?.size === 0) return
      }
    },
    probe: (signal) => probeServer(o('register', signal)),
    faults: () => [],
    async close() {
      client.close()
    },
  }
}

interface Found extends Retrieval {
  /** a request more costs little */
  readonly near: boolean
}

function belongs({ study, series }: SeriesRef, ref: SeriesRef): boolean {
  return study === ref.study && series === ref.series
}

/** An object that cannot be read is not there: who counts will miss it. */
function unlessDicom(error: unknown): undefined {
  if (error instanceof MdmError && error.code === 'MDM_DICOM') return undefined
  throw error
}
