import { signed16, type ModalityLut, type RealWorldMapping } from '../value-facts.ts'
import type { Elements } from './elements.ts'
import { IMPLICIT, unsigned16 } from './encoding.ts'
import { readItems, type Value, type Wanted } from './items.ts'
import { printable, realsAt, trim } from './plain-values.ts'
import type { Steps } from './steps.ts'

/** Entries of a table: all that 12 bits can count. */
const MAX_ENTRIES = 4096
/** Real objects have two: as stored, and as displayed. */
const MAX_MAPPINGS = 8

type LutPart = 'descriptor' | 'data' | 'type'
const LUT: Wanted<LutPart> = new Map([
  [0x00283002, 'descriptor'],
  [0x00283004, 'type'],
  [0x00283006, 'data'],
])

/**
 * The Modality LUT of an object.
 *
 * @returns 'malformed' also for a table of more than MAX_ENTRIES
 */
export function* readModalityLut(
  elements: Elements,
  pixelRepresentation: number | undefined,
): Steps<ModalityLut | 'malformed' | undefined> {
  const parts: Partial<Record<LutPart, Value>> = {}
  const items = yield* readTop<LutPart>(elements, 'x00283000', LUT, 1, (_, part, value) => {
    parts[part] ??= value
  })
  if (items === undefined) return undefined
  const { descriptor, data, type } = parts
  if (items !== 1 || descriptor === undefined || data === undefined || descriptor.to - descriptor.from !== 6)
    return 'malformed'
  const [entries, first, bits] = [0, 2, 4].map((at) =>
    unsigned16(descriptor.bytes, descriptor.from + at, descriptor.bigEndian),
  ) as [number, number, number]
  if (entries === 0 || entries > MAX_ENTRIES || bits < 8 || bits > 16) return 'malformed'
  const values = lutValues(data, entries, bits)
  if (values === undefined) return 'malformed'
  return { first: signed16(first, pixelRepresentation), values, type: type && textAt(type) }
}

/** Entries of 16 bits, or of 8 where there are as many bytes (padded to an even number). */
function lutValues(data: Value, entries: number, bits: number): readonly number[] | undefined {
  const length = data.to - data.from
  if (length === entries * 2) return shared(data, (at) => unsigned16(data.bytes, at, data.bigEndian), 2)
  const bytes = entries + (entries % 2)
  if (bits !== 8 || length !== bytes) return undefined
  return shared({ ...data, to: data.from + entries }, (at) => data.bytes[at]!, 1)
}

let last: { bytes: Buffer; values: readonly number[] } | undefined

/** The objects of a series have one table: it is kept once for those that are read after each other. */
function shared(
  { bytes, from, to }: Value,
  valueAt: (at: number) => number,
  width: number,
): readonly number[] {
  const raw = bytes.subarray(from, to)
  if (last?.bytes.equals(raw) === true) return last.values
  const values = Array.from({ length: (to - from) / width }, (_, i) => valueAt(from + i * width))
  last = { bytes: Buffer.from(raw), values }
  return values
}

type RealPart = 'first' | 'last' | 'slope' | 'intercept' | 'table' | 'units'
const REAL: Wanted<RealPart> = new Map<number, RealPart | Wanted<RealPart>>([
  [0x004008ea, new Map([[0x00080100, 'units']])],
  [0x00409211, 'last'],
  [0x00409212, 'table'],
  [0x00409216, 'first'],
  [0x00409224, 'intercept'],
  [0x00409225, 'slope'],
])

/** The Real World Value Mappings of an object as a whole, in order; none where they do not make sense. */
export function* readRealWorld(
  elements: Elements,
  pixelRepresentation: number | undefined,
): Steps<RealWorldMapping[]> {
  const parts: Partial<Record<RealPart, Value>>[] = []
  const items = yield* readTop<RealPart>(elements, 'x00409096', REAL, MAX_MAPPINGS, (index, part, value) => {
    const found = (parts[index] ??= {})
    found[part] ??= value
  })
  if (items === undefined || items > MAX_MAPPINGS) return []
  return Array.from({ length: items }, (_, index) => {
    const { first, last, slope, intercept, table, units } = parts[index] ?? {}
    return {
      first: first && numberAt(first, pixelRepresentation),
      last: last && numberAt(last, pixelRepresentation),
      slope: slope && realAt(slope),
      intercept: intercept && realAt(intercept),
      table: table && realTable(table),
      units: units && (textAt(units) || undefined),
    }
  })
}

function realTable(value: Value): readonly number[] | 'malformed' {
  const entries = (value.to - value.from) / 8
  if (!Number.isInteger(entries) || entries < 1 || entries > MAX_ENTRIES) return 'malformed'
  const numbers = realsAt(value.bytes.subarray(value.from, value.to), entries, value.bigEndian)!
  return numbers.every(Number.isFinite)
    ? shared(value, (at) => numbers[(at - value.from) / 8]!, 8)
    : 'malformed'
}

function numberAt({ bytes, from, to, bigEndian }: Value, sign: number | undefined): number | undefined {
  return to - from === 2 ? signed16(unsigned16(bytes, from, bigEndian), sign) : undefined
}

function realAt({ bytes, from, to, bigEndian }: Value): number | undefined {
  const real = realsAt(bytes.subarray(from, to), 1, bigEndian)?.[0]
  return Number.isFinite(real) ? real : undefined
}

function textAt({ bytes, from, to }: Value): string {
  return to - from > 64 ? '' : printable(trim(bytes.toString('latin1', from, to)))
}

/**
 * Reads a sequence of the object as a whole.
 *
 * @returns number of its items; 0 where it does not make sense; undefined where it is absent
 */
function* readTop<Name>(
  { start, byTag }: Elements,
  tag: string,
  wanted: Wanted<Name>,
  most: number,
  value: (index: number, name: Name, value: Value) => void,
): Steps<number | undefined> {
  const head = byTag.get(tag)
  if (head === undefined) return undefined
  let index = 0
  const span = { ...head, items: head.vr === 'UN' ? IMPLICIT : start }
  const items = yield* readItems<Name>(start.bytes, span, {
    wanted,
    item: (at) => (index = at) < most,
    value: (name, found) => value(index, name, found),
  })
  return items ?? 0
}
