/** Reads altered objects as a source does, plans series of them, and counts what must not be. */
import { inspect, isDeepStrictEqual } from 'node:util'
import { ERRORS, MdmError } from '@mdm/core/errors'
import { parseNrrdHeader } from '@mdm/core/volume/formats/nrrd'
import { Volume } from '@mdm/core/volume/volume'
import { headerSteps, MAX_HEADER_BYTES, MAX_IMAGE_BYTES, pixelSpan } from '@mdm/server/dicom/part10/index'
import { planesOf } from '@mdm/server/volume/planes/index'
import { NUMBER_FACTS, type NumberFact } from '@mdm/server/dicom/frame-table'
import type { InstanceHeader } from '@mdm/server/dicom/source'
import { planSeries } from '@mdm/server/volume/group'
import type { Random } from '../../fixtures/random.ts'

export interface Tally {
  /** headers read, of them of damaged objects */
  read: number
  damaged: number
  /** refused by MDM_DICOM */
  refused: number
  /** said to be no DICOM object */
  other: number
  /** series planned, of them with a volume */
  planned: number
  volumes: number
  /** another error than an MdmError, or a result that cannot be: must be 0 */
  broken: number
  /** errors and output that hold a value of the object: must be 0 */
  told: number
  /** synchronous steps of more than 100 ms of CPU time: must be 0 */
  slow: number
  slowestMs: number
  slowestKind: string
  /** what was broken, told or slow, the first ten */
  notes: string[]
  kinds: Record<string, number>
}

export const SLOW_MS = 100
const FIRST_READ = 64 * 1024
/** A header is a closed list of short values; with room for what JSON makes of them. */
const MAX_HEADER_JSON = 128 * 1024

export function emptyTally(): Tally {
  const counts = { read: 0, damaged: 0, refused: 0, other: 0, planned: 0, volumes: 0 }
  return { ...counts, broken: 0, told: 0, slow: 0, slowestMs: 0, slowestKind: '', notes: [], kinds: {} }
}

export function note(tally: Tally, what: 'broken' | 'told' | 'slow', kind: string): void {
  tally[what]++
  if (tally.notes.length < 10) tally.notes.push(`${what}: ${kind}`)
}

/** What a piece of work came to, and the CPU time (ms) of this thread in its longest synchronous step. */
interface Timed<T> {
  ms: number
  outcome: () => T
}

/** Runs work that is over in one step. */
function timed<T>(step: () => T): Timed<T> {
  const before = process.threadCpuUsage()
  const outcome = outcomeOf(step)
  const { user, system } = process.threadCpuUsage(before)
  return { ms: (user + system) / 1000, outcome }
}

function outcomeOf<T>(step: () => T): () => T {
  try {
    const result = step()
    return () => result
  } catch (error) {
    return () => {
      throw error
    }
  }
}

/** Runs work that pauses between its steps, when the server does other work. */
export function timedSteps<T>(begin: () => Generator<undefined, T>): Timed<T> {
  const steps = begin()
  for (let longest = 0; ;) {
    const { ms, outcome } = timed(() => steps.next())
    longest = Math.max(longest, ms)
    const step = attemptStep(outcome)
    if (step?.done !== false) return { ms: longest, outcome: () => outcome().value as T }
  }
}

/** @returns undefined for a step that threw */
function attemptStep<T>(outcome: () => T): T | undefined {
  try {
    return outcome()
  } catch {
    return undefined
  }
}

/** Runs work of the server. What seems slow is run again: what the machine did meanwhile is not its fault, what it costs each time is. */
function measured<T>(tally: Tally, kind: string, run: () => Timed<T>): T {
  let best = run()
  for (let tries = 1; tries < 3 && best.ms > SLOW_MS; tries++) {
    const again = run()
    if (again.ms < best.ms) best = again
  }
  if (best.ms > SLOW_MS) note(tally, 'slow', `${kind}, ${best.ms} ms`)
  if (best.ms > tally.slowestMs) Object.assign(tally, { slowestMs: best.ms, slowestKind: kind })
  return best.outcome()
}

/** Reads one object as the folder source does: a first part, and more for as long as the reader asks. */
export function readAltered(
  tally: Tally,
  { kind, bytes }: { kind: string; bytes: Buffer },
  o: { random: Random; secrets: readonly string[] },
): InstanceHeader | undefined {
  tally.kinds[kind] = (tally.kinds[kind] ?? 0) + 1
  const header = attempt(tally, kind, o.secrets, () => {
    for (
      let size = Math.min(FIRST_READ, bytes.length);
      ;
      size = Math.min(size * 4, bytes.length, MAX_HEADER_BYTES)
    ) {
      const found = measured(tally, kind, () =>
        timedSteps(() => headerSteps(bytes.subarray(0, size), bytes.length)),
      )
      if (found !== 'more') return found
    }
  })
  if (header === 'refused') {
    tally.refused++
    return undefined
  }
  if (header === undefined) {
    tally.other++
    return undefined
  }
  tally.read++
  if (header.fault !== undefined) tally.damaged++
  if (!isPossible(header, bytes)) note(tally, 'broken', `${kind}: a header that cannot be`)
  if (!hasPossiblePlanes(header)) note(tally, 'broken', `${kind}: planes that cannot be`)
  if (o.random(16) === 0) {
    const whole = attempt(tally, kind, o.secrets, () =>
      measured(tally, kind, () => timedSteps(() => headerSteps(bytes, bytes.length))),
    )
    if (!isDeepStrictEqual(whole, header)) note(tally, 'broken', `${kind}: a part says other than the whole`)
    attempt(tally, kind, o.secrets, () =>
      measured(tally, kind, () => timedSteps(() => headerSteps(bytes, Infinity, header.transferSyntax))),
    )
  }
  return header
}

function attempt<T>(tally: Tally, kind: string, secrets: readonly string[], read: () => T): T | 'refused' {
  try {
    return read()
  } catch (error) {
    const shown = inspect(error)
    if (secrets.some((secret) => shown.includes(secret))) note(tally, 'told', kind)
    const known = error instanceof MdmError && error.code === 'MDM_DICOM' && error.cause === undefined
    if (!known) note(tally, 'broken', `${kind}: ${(error as Error).name}`)
    return 'refused'
  }
}

/** Holds a header to what its type and its readers rely on. */
function isPossible(header: InstanceHeader, bytes: Buffer): boolean {
  const { study, series, sop, fault } = header
  const span = pixelSpan(header)
  const numbers = [
    header.position,
    header.orientation,
    header.pixelSpacing,
    header.slope,
    header.intercept,
  ].flat()
  return (
    [study, series, sop].every((uid) => /^[\x21-\x7e]{1,128}$/.test(uid)) &&
    (fault === undefined || fault in ERRORS) &&
    numbers.every((number) => number === undefined || Number.isFinite(number)) &&
    (span === undefined ||
      (span.start < span.end && span.end <= bytes.length && span.end - span.start <= MAX_IMAGE_BYTES)) &&
    JSON.stringify({ ...header, frameTable: undefined }).length <= MAX_HEADER_JSON &&
    isCompact(header.frameTable)
  )
}

/** Whole columns, and of bounded size for each frame. */
function isCompact(table: InstanceHeader['frameTable']): boolean {
  if (table === undefined) return true
  const { frames, numbers, texts } = table
  const whole = (length: number, width: number): boolean => length === width || length === width * frames
  return (
    Object.entries(numbers).every(([fact, { length }]) => whole(length, NUMBER_FACTS[fact as NumberFact])) &&
    Object.values(texts).every(
      ({ different, of }) =>
        whole(of.length, 1) &&
        of.every((i) => i < different.length) &&
        different.every((text) => text.length <= 96),
    )
  )
}

/** Holds the planes of an object, if it has any, to what grouping relies on. */
function hasPossiblePlanes(header: InstanceHeader): boolean {
  try {
    const planes = planesOf(header)
    if ('code' in planes) return planes.code in ERRORS
    return (
      planes.length > 0 &&
      planes.every(({ position, orientation, pixelSpacing, values, marks, rows, columns, tile }) => {
        const { slope, intercept, table } = values
        const numbers = [...position, ...orientation, ...pixelSpacing, slope, intercept]
        const { left = 0, top = 0 } = tile ?? {}
        return (
          [...numbers, ...(table?.values ?? [])].every(Number.isFinite) &&
          Object.values(marks).every((mark) => mark !== undefined && !Number.isNaN(mark)) &&
          left + columns <= header.columns! &&
          top + rows <= header.rows!
        )
      })
    )
  } catch {
    return false
  }
}

/** Plans a series of altered objects: as they are, or as a stack of the first, some of which took a value from the others. */
export function planAltered(tally: Tally, headers: readonly InstanceHeader[], random: Random): void {
  const sound = headers.find(({ fault, position, rows = 0 }) => fault === undefined && position && rows > 0)
  const series = sound === undefined || random(4) === 0 ? headers : stackOf(sound, headers, random)
  tally.planned++
  try {
    const plan = measured(tally, 'a series', () => timed(() => planSeries(series)))
    for (const { code } of plan.refused)
      if (!(code in ERRORS)) note(tally, 'broken', 'a series: no such code')
    for (const { volume, header, slices, plaintextBytes } of plan.volumes) {
      tally.volumes++
      const possible =
        Volume.safeParse(volume).success &&
        isDeepStrictEqual(parseNrrdHeader(header), { volume, headerBytes: header.length }) &&
        Number.isSafeInteger(plaintextBytes) &&
        slices.length === volume.slices
      if (!possible) note(tally, 'broken', 'a series: a volume that cannot be')
    }
  } catch (error) {
    note(tally, 'broken', `a series: ${(error as Error).name}`)
  }
}

/** A slice for each header, 2 mm apart; one of sixteen has an attribute of that header in place of its own. */
function stackOf(
  sound: InstanceHeader,
  headers: readonly InstanceHeader[],
  random: Random,
): InstanceHeader[] {
  const [x, y, z] = sound.position!
  const keys = Object.keys(sound) as (keyof InstanceHeader)[]
  return headers.map((header, i) => {
    const slice: InstanceHeader = { ...sound, sop: `1.2.${i}`, position: [x, y, z + 2 * i] }
    const key = keys[random(16 * keys.length)]
    return key === undefined ? slice : { ...slice, [key]: header[key] }
  })
}
