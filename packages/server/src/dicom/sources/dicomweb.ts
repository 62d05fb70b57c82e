import { MdmError } from '@mdm/core/errors'
import { dicomwebRoot } from '../dicomweb/address.ts'
import { WebClient } from '../dicomweb/client.ts'
import { faultsOf } from '../dicomweb/faults.ts'
import { probeServer } from '../dicomweb/probe.ts'
import { isUid } from '../dicomweb/paths.ts'
import { searchInstances, searchSeries } from '../dicomweb/qido.ts'
import { identify, type WadoObject } from '../dicomweb/wado.ts'
import { retrieveInstances, retrieveSeries, type Retrieval } from '../dicomweb/retrieve.ts'
import { decodedFrames, openDecoders, soundFrames, type StoredFrame } from '../pixels/index.ts'
import { isSameSeries } from '../same-series.ts'
import type { DicomSource, Purpose, SeriesRef, Wanted } from '../source.ts'
import { framesBySop } from '../wanted.ts'
import { readObject, readObjectHeader, unlessDamaged } from './read-objects.ts'
import type { ServerOptions } from './server-options.ts'

/**
 * A PACS over DICOMweb: QIDO-RS finds, WADO-RS brings. Nothing that comes is believed to be what was asked for: each
 * object is taken for what its own data set says.
 *
 * @param url `dicomweb+https://host/root`, or `dicomweb+http://` on a loopback address
 * @throws MDM_CONFIG for a URL that is not one of these
 */
export function dicomwebSource(name: string, url: string, options: ServerOptions): DicomSource {
  const fault = faultsOf(name)
  const client = new WebClient(dicomwebRoot(name, url), options, fault)
  const decoders = openDecoders()
  const unknown = (): MdmError => new MdmError('MDM_NOT_FOUND', `source ${name} has no such series`)
  const o = (purpose: Purpose, signal: AbortSignal | undefined) => ({ client, fault, purpose, signal })

  async function count(ref: SeriesRef, purpose: Purpose, signal?: AbortSignal): Promise<number> {
    if (!isUid(ref.study) || !isUid(ref.series)) return 0
    const [found] = await searchSeries({ study: ref.study, series: ref.series }, o(purpose, signal))
    if (found === undefined) return 0
    return found.objects ?? (await searchInstances(ref, o(purpose, signal))).length
  }

  async function find(ref: SeriesRef, purpose: Purpose, signal?: AbortSignal): Promise<Retrieval> {
    const objects = await count(ref, purpose, signal)
    if (objects === 0) throw unknown()
    return { ...o(purpose, signal), budget: options.budget, ref, objects }
  }

  /** The objects asked for, and perhaps others: all of the series unless most would come for nothing. */
  async function* bring(retrieval: Retrieval, sops?: ReadonlySet<string>): AsyncGenerator<WadoObject> {
    if (sops !== undefined && sops.size * 2 < retrieval.objects)
      yield* retrieveInstances(retrieval, [...sops])
    else if (!(yield* retrieveSeries(retrieval))) throw unknown()
  }

  /** The frames asked for, of the objects that come. */
  async function* stored(
    ref: SeriesRef,
    wanted: readonly Wanted[],
    signal: AbortSignal | undefined,
  ): AsyncGenerator<StoredFrame> {
    const missing = framesBySop(wanted)
    const retrieval = await find(ref, 'deliver', signal)
    for await (const object of bring(retrieval, new Set(missing.keys()))) {
      const read = await readObject(object)
      if (read === undefined || !isSameSeries(read.header, ref)) continue
      const { sop } = read.header
      const frames = missing.get(sop)
      if (missing.delete(sop)) yield* soundFrames(read.header, read.bytes, frames)
      if (missing.size === 0) return
    }
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
        const header = await readObjectHeader(object).catch(unlessDamaged)
        if (header === undefined || !isSameSeries(header, ref) || seen.has(header.sop)) continue
        seen.add(header.sop)
        yield header
      }
      if (seen.size < retrieval.objects)
        throw new MdmError(
          'MDM_SOURCE_INCOMPLETE',
          `source ${name} sent fewer objects than it says the series has`,
        )
    },
    retrieve: (ref, wanted, signal) => decodedFrames(stored(ref, wanted, signal), decoders, signal),
    async *objects(ref, { sops, purpose = 'register', signal } = {}) {
      const missing = sops && new Set(sops)
      const seen = new Set<string>()
      const retrieval = await find(ref, purpose, signal)
      for await (const object of bring(retrieval, missing)) {
        const found = await identify(object)
        if (found === undefined || !isSameSeries(found.header, ref) || seen.has(found.header.sop)) continue
        seen.add(found.header.sop)
        if (missing?.delete(found.header.sop) === false) continue
        yield found.object
        if (missing?.size === 0) return
      }
    },
    probe: (signal) => probeServer(o('register', signal)),
    faults: () => [],
    async close() {
      await decoders.close()
      client.close()
    },
  }
}
