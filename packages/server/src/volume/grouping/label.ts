import { createHash } from 'node:crypto'
import type { Plane } from '../plane.ts'
import { pixelKind } from './kinds.ts'
import type { SplitBy } from './separate.ts'

/** Words of image types, quantities and such that are written out; any other may say anything, and is written as a digest. */
const WORDS = new Set(
  'ORIGINAL DERIVED PRIMARY SECONDARY AXIAL LOCALIZER OTHER MIXED VOLUME NONE M P R I MAGNITUDE PHASE REAL IMAGINARY M_FFE P_FFE R_FFE I_FFE M_SE P_SE R_SE I_SE FFE SE IR MPR ADC TRACEW FA DIFFUSION NORM ND DIS2D DIS3D MOSAIC VFRAME T1 T2 B0 VELOCITY WATER FAT IN_PHASE OUT_PHASE ISOTROPIC'.split(
    ' ',
  ),
)

/**
 * What tells the kind of a volume from the other kinds of its series, as text that stays the same when others come or go.
 *
 * @param first plane of the kind
 * @param names of the facts that differ
 */
export function factsText(first: Plane, names: readonly string[]): string {
  return names.map((name) => `${name}=${factText(first, name)}`).join(' ')
}

/**
 * The way on which a volume was split off its series, as text: values, no ordinals. It holds no text of an object but words of a
 * closed list, and no date.
 *
 * @param since the earliest dateTime of the series
 */
export function pathText(path: readonly SplitBy[], since: string | undefined): string {
  return path.map(({ name, value }) => `${name}=${stepText(name, value, since)}`).join(' ')
}

function factText(plane: Plane, name: string): string {
  const { header, rows, columns, orientation, pixelSpacing } = plane
  if (name === 'class') return digest(header.sopClass)
  if (name === 'modality') return digest(header.modality)
  if (name === 'pixels') return pixelKind(header)
  if (name === 'size') return `${columns}x${rows}`
  if (name === 'orientation') return orientation.map((x) => Number(x.toFixed(4)) + 0).join(',')
  if (name === 'spacing') return pixelSpacing.map((mm) => Number(mm.toPrecision(6))).join(',')
  return digest(header.text.FrameOfReferenceUID ?? '')
}

function stepText(name: SplitBy['name'], value: SplitBy['value'], since: string | undefined): string {
  if (value === undefined) return 'none'
  if (typeof value === 'number') return String(value)
  if (name === 'dateTime' && since !== undefined) return `+${secondsBetween(since, value)}`
  const words = value.split('\\')
  if (words.every((word) => WORDS.has(word))) return words.join('/')
  return /^[-+\d. eE]{1,80}$/.test(value) ? value.replaceAll(' ', ',') : digest(value)
}

/** Seconds from one YYYYMMDDHHMMSS.FFFFFF to another. */
export function secondsBetween(from: string, to: string): number {
  return Number((secondsOf(to) - secondsOf(from)).toFixed(6)) + 0
}

function secondsOf(text: string): number {
  const part = (start: number, length: number): number => Number(text.slice(start, start + length))
  const day = Date.UTC(part(0, 4), part(4, 2) - 1, part(6, 2)) / 1000
  return day + part(8, 2) * 3600 + part(10, 2) * 60 + Number(text.slice(12))
}

function digest(text: string): string {
  return `#${createHash('sha256').update(text).digest('hex').slice(0, 8)}`
}
