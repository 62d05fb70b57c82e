import { MdmError, type ErrorCode } from '@mdm/core/errors'
import { VERIFICATION, type Association } from '../../dimse/index.ts'
import type { SeriesRef, SourceProbe } from '../../source.ts'
import type { Lease } from './associations.ts'
import { findObjects, findSeries } from './look.ts'
import { createMethods, type Method } from './methods.ts'
import { retrieve, type Retrieving } from './retrieve.ts'

/** Studies so many days old are looked at first, so that a large archive is not asked for all it has. */
const RECENT_DAYS = [7, 365]
/** Series looked at to find one that is small, yet tells something. */
const MOST_SERIES = 8
/** Objects asked for: a list of several is what CTN does not take. */
const OBJECTS = 2
/** A series up to this size may come as a whole. */
const MOST_OBJECTS = 50

type Step = SourceProbe['steps'][number]

interface Sample {
  readonly ref: SeriesRef
  readonly sops: readonly string[]
  /** of the whole series */
  readonly objects: number
}

/**
 * Tries a peer: association, C-ECHO, C-FIND, then the ways of retrieving on two objects of one series, C-MOVE only where
 * no other works or the configuration names it. What works becomes the order in which retrieving tries them.
 */
export async function probe(
  s: Retrieving,
  o: { methods: readonly Method[]; fixed: boolean; signal?: AbortSignal | undefined },
): Promise<SourceProbe> {
  const steps: Step[] = []
  /** What the work gave; undefined when it failed, which is in `steps` then. */
  const step = async <T>(name: string, work: () => Promise<[T, string]>): Promise<T | undefined> => {
    const began = performance.now()
    try {
      const [value, note] = await work()
      steps.push({ step: name, ok: true, ms: performance.now() - began, note })
      return value
    } catch (error) {
      o.signal?.throwIfAborted()
      steps.push({ step: name, ok: false, ms: performance.now() - began, ...faultOf(error) })
      return undefined
    }
  }
  const result = (): SourceProbe => ({ steps, methods: [...s.methods.order] })

  const lease = await step('associate', async () => {
    const opened = await s.associations.lease('register', [], o.signal)
    return [opened, `${opened.association.accepted.length} presentation contexts accepted`]
  })
  if (lease === undefined) return result()
  const sample = await tryQueries(lease, step).finally(() => lease.done())
  if (sample === undefined) return result()

  const works: Method[] = []
  for (const method of o.methods) {
    if (method === 'c-move' && works.length > 0 && !o.fixed) continue
    const came = await step(method, async () => {
      const count = await bring(s, method, sample, o.signal)
      if (count === sample.sops.length) return [count, `${count} of ${count} objects came`]
      throw new MdmError('MDM_SOURCE_INCOMPLETE', `${count} of ${sample.sops.length} objects came`)
    })
    if (came !== undefined) works.push(method)
  }
  if (works.length > 0) s.methods.set([...works, ...o.methods.filter((method) => !works.includes(method))])
  return result()
}

/** @returns objects to retrieve on trial; undefined when there are none, or a query failed */
async function tryQueries(
  { association }: Lease,
  step: <T>(name: string, work: () => Promise<[T, string]>) => Promise<T | undefined>,
): Promise<Sample | undefined> {
  const echoed = await step('echo', async () => {
    // A server without Verification may still be of use.
    if (!association.accepted.some(({ abstractSyntax }) => abstractSyntax === VERIFICATION))
      return [true, 'it does not offer C-ECHO']
    return [await association.echo().then(() => true), 'it answers']
  })
  if (echoed === undefined) return undefined
  return await step('find', async () => {
    const sample = await smallSeries(association)
    if (sample === undefined) return [undefined, 'it has no series yet, so nothing was retrieved']
    const { sops } = sample
    return [{ ...sample, sops: sops.slice(0, OBJECTS) }, `a series of ${sample.objects} objects was found`]
  })
}

/** One with the fewest objects of those with at least as many as a trial needs; else the largest. */
async function smallSeries(association: Association): Promise<Sample | undefined> {
  const refs: SeriesRef[] = []
  for (const days of [...RECENT_DAYS, undefined]) {
    const from = days === undefined ? undefined : daysAgo(days)
    const series = findSeries(association, from === undefined ? {} : { studyDate: { from } })
    // Left between two queries, so the association stays as it is.
    for await (const ref of series) if (refs.push(ref) === MOST_SERIES) break
    if (refs.length > 0) break
  }
  const samples: Sample[] = []
  for (const ref of refs) {
    const sops = [...(await findObjects(association, ref)).keys()]
    samples.push({ ref, sops, objects: sops.length })
  }
  const enough = samples.filter(({ sops }) => sops.length >= OBJECTS)
  const size = ({ sops }: Sample): number => sops.length
  return enough.toSorted((a, b) => size(a) - size(b))[0] ?? samples.toSorted((a, b) => size(b) - size(a))[0]
}

/** YYYYMMDD. */
function daysAgo(days: number): string {
  return new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10).replaceAll('-', '')
}

async function bring(
  s: Retrieving,
  method: Method,
  { ref, sops, objects }: Sample,
  signal: AbortSignal | undefined,
): Promise<number> {
  const only = { ...s, methods: createMethods([method], { fixed: true }) }
  const take = async ({ dataSet }: { dataSet: AsyncIterable<Buffer> }): Promise<boolean> => {
    for await (const _ of dataSet);
    return true
  }
  let count = 0
  const wanted = { sops, purpose: 'register' as const, signal, complete: false, ahead: true, take }
  for await (const _ of retrieve(only, ref, wanted)) {
    // The rest of a large series is not worth its time, though to leave aborts the association.
    if (++count === sops.length && objects > MOST_OBJECTS) break
  }
  return count
}

function faultOf(error: unknown): { note: string; code: ErrorCode } {
  const known = error instanceof MdmError ? error : new MdmError('MDM_INTERNAL', undefined, { cause: error })
  return { note: known.message, code: known.code }
}
