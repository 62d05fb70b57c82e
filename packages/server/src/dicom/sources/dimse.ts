import { MdmError } from '@mdm/core/errors'
import type { Association } from '../dimse/index.ts'
import type { SourceConfig } from '../source-config.ts'
import { decodedFrames, openDecoders, soundFrames, type StoredFrame } from '../pixels/index.ts'
import { isSameSeries } from '../same-series.ts'
import type { DicomSource, FoundSeries, SeriesRef, Wanted } from '../source.ts'
import { framesBySop } from '../wanted.ts'
import type { Arrivals } from './arrivals.ts'
import { openAssociations } from './dimse/associations.ts'
import { findObjects, findSeries, seriesCount } from './dimse/look.ts'
import { createMethods, METHODS, type Method } from './dimse/methods.ts'
import { peerOf } from './dimse/peer.ts'
import { probe } from './dimse/probe.ts'
import { retrieve } from './dimse/retrieve.ts'
import { createKnownClasses } from './dimse/seek.ts'
import { damagedHeader, readObject, readObjectHeader, unlessDamaged } from './read-objects.ts'
import type { ServerOptions } from './server-options.ts'

/** An association that nobody needs stays open so long for the next request. */
const IDLE_MS = 5_000

/**
 * A DICOM server by C-FIND, C-GET and C-MOVE (PS3.4 annex C) as a source.
 *
 * @param o `arrivals`: where the objects of a C-MOVE arrive, if the site has a listener; `idleMs`: how long an association that
 *          nobody needs stays open, 5,000 unless told
 * @throws MDM_CONFIG
 */
export function dimseSource(
  config: SourceConfig,
  o: ServerOptions & { arrivals?: Arrivals | undefined; idleMs?: number },
): DicomSource {
  const { name } = config
  const peer = peerOf(config, o)
  const associations = openAssociations(peer, o.budget, { idleMs: o.idleMs ?? IDLE_MS })
  const arrivals = config.pushes === undefined ? undefined : o.arrivals
  const all = methodsOf(config, arrivals !== undefined)
  const fixed = config.retrieve !== undefined
  const methods = createMethods(all, { fixed })
  const decoders = openDecoders()
  const retrieving = { name, associations, methods, arrivals, known: createKnownClasses() }

  async function asked<T>(
    signal: AbortSignal | undefined,
    ask: (association: Association) => Promise<T>,
  ): Promise<T> {
    const lease = await associations.lease('register', [], signal)
    try {
      return await ask(lease.association)
    } catch (error) {
      signal?.throwIfAborted()
      throw error
    } finally {
      await lease.done()
    }
  }

  /** The frames asked for, of the objects that come. */
  async function* stored(
    ref: SeriesRef,
    wanted: readonly Wanted[],
    signal: AbortSignal | undefined,
  ): AsyncGenerator<StoredFrame> {
    const frames = framesBySop(wanted)
    const objects = retrieve(retrieving, ref, {
      ...{ sops: [...frames.keys()], purpose: 'deliver', signal, complete: false, ahead: true },
      async take(object) {
        const read = await readObject(object)
        const isIt = read?.header.sop === object.sop && isSameSeries(read.header, ref)
        return isIt ? read : undefined
      },
    })
    for await (const { header, bytes } of objects) yield* soundFrames(header, bytes, frames.get(header.sop))
  }

  return {
    name,
    series: ({ filter = {}, signal } = {}) =>
      asked(signal, async (association) => {
        const refs: FoundSeries[] = []
        for await (const ref of findSeries(association, filter, signal)) refs.push(ref)
        return refs
      }),
    count: (ref, signal) =>
      asked(signal, async (association) => {
        const told = await seriesCount(association, ref).catch(unlessRefused)
        return told ?? (await findObjects(association, ref)).size
      }),
    headers: (ref, signal) =>
      retrieve(retrieving, ref, {
        ...{ purpose: 'register', signal, complete: true, ahead: true },
        async take(object) {
          const header = await readObjectHeader(object).catch(unlessDamaged)
          return header?.sop === object.sop && isSameSeries(header, ref) ? header : damagedHeader(object, ref)
        },
      }),
    retrieve: (ref, wanted, signal) => decodedFrames(stored(ref, wanted, signal), decoders, signal),
    objects: (ref, { sops, purpose = 'register', signal } = {}) =>
      retrieve(retrieving, ref, {
        ...{ sops, purpose, signal, complete: false, ahead: false },
        take: (object) => object,
      }),
    probe: async (signal) => await probe(retrieving, { methods: all, fixed, signal }),
    // What belongs to no series is not found by asking for series.
    faults: () => [],
    close: async () => void (await Promise.all([associations.close(), decoders.close()])),
  }
}

/** @throws MDM_CONFIG */
function methodsOf({ name, retrieve: fixed }: SourceConfig, canMove: boolean): readonly Method[] {
  const isMethod = (method: string): method is Method => METHODS.some((known) => known === method)
  const wanted = fixed?.filter(isMethod) ?? METHODS
  const usable = wanted.filter((method) => method !== 'c-move' || canMove)
  if (usable.length > 0 && (fixed === undefined || usable.length === fixed.length)) return usable
  const why = 'c-move needs "dicom" in site.json and "pushes" here, and wado-rs is of DICOMweb'
  throw new MdmError('MDM_CONFIG', `source ${name}: "retrieve" names what is not possible: ${why}`)
}

/** An attribute that a server does not know may make it refuse the query (CTN). */
function unlessRefused(error: unknown): undefined {
  if (error instanceof MdmError && error.details['dimse'] === 'status') return undefined
  throw error
}
