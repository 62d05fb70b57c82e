import { MdmError } from '../../errors.ts'
import { Volume, type Vec3 } from '../volume.ts'

/** No header is longer: it is a closed list of short fields. */
const MAX_HEADER_BYTES = 4096
const AXES = 'domain domain domain'

/**
 * The NRRD header of a volume: readable, attached, followed by the raw voxels. A closed list that names neither the
 * object nor the software nor the time; equal volumes have equal headers. Numbers are written so that they read back exactly.
 *
 * @returns ASCII, ending with the blank line after which the voxels begin
 * @see docs/formats/volume.md; paper 4.2; https://teem.sourceforge.net/nrrd/format.html
 */
export function nrrdHeader(volume: Volume): Buffer {
  const lines = [
    'NRRD0004',
    `type: ${volume.type}`,
    'dimension: 3',
    'space: left-posterior-superior',
    `sizes: ${volume.columns} ${volume.rows} ${volume.slices}`,
    `space directions: ${volume.spaceDirections.map(vector).join(' ')}`,
    `kinds: ${AXES}`,
    'endian: little',
    'encoding: raw',
    'space units: "mm" "mm" "mm"',
    `space origin: ${vector(volume.origin)}`,
    `rescale slope:=${volume.slope}`,
    `rescale intercept:=${volume.intercept}`,
    `modality:=${volume.modality}`,
    ...(volume.units === undefined ? [] : [`units:=${volume.units}`]),
    ...(volume.inverted ? ['photometric:=MONOCHROME1'] : []),
  ]
  return Buffer.from(`${lines.join('\n')}\n\n`, 'latin1')
}

/**
 * Reads the header that nrrdHeader writes, in any order of its fields. Unknown key/value pairs are passed over; an
 * unknown field is refused, since it could change what the voxels mean.
 *
 * @param bytes beginning of the plaintext
 * @returns undefined when more bytes are needed
 * @throws MDM_INTEGRITY when it is not such a header
 */
export function parseNrrdHeader(bytes: Uint8Array): { volume: Volume; headerBytes: number } | undefined {
  const text = Buffer.from(bytes.subarray(0, MAX_HEADER_BYTES)).toString('latin1')
  if (!'NRRD0004\n'.startsWith(text.slice(0, 9))) throw malformed('magic')
  const end = text.indexOf('\n\n')
  if (end < 0) {
    if (bytes.length >= MAX_HEADER_BYTES) throw malformed('length')
    return undefined
  }
  const fields = new Map<string, string>()
  const pairs = new Map<string, string>()
  for (const line of text.slice(9, end).split('\n')) {
    const [, name, separator, value] = /^([a-z][a-z ]*)(:=|: )(.*)$/.exec(line) ?? []
    if (name === undefined || value === undefined) throw malformed('line')
    const into = separator === ':=' ? pairs : fields
    if (into.has(name)) throw malformed('repeated field')
    into.set(name, value)
  }
  return { volume: volumeOf(fields, pairs), headerBytes: end + 2 }
}

const FIXED: Readonly<Record<string, string>> = {
  dimension: '3',
  space: 'left-posterior-superior',
  kinds: AXES,
  endian: 'little',
  encoding: 'raw',
  'space units': '"mm" "mm" "mm"',
}

function volumeOf(fields: ReadonlyMap<string, string>, pairs: ReadonlyMap<string, string>): Volume {
  for (const [name, value] of Object.entries(FIXED)) if (fields.get(name) !== value) throw malformed(name)
  for (const name of fields.keys()) {
    if (!(name in FIXED) && !['type', 'sizes', 'space directions', 'space origin'].includes(name))
      throw malformed('unknown field')
  }
  const sizes = (fields.get('sizes') ?? '').split(' ').map(number)
  const directions = (fields.get('space directions') ?? '').split(' ').map(vectorOf)
  const photometric = pairs.get('photometric')
  if (sizes.length !== 3 || directions.length !== 3) throw malformed('sizes')
  if (photometric !== undefined && photometric !== 'MONOCHROME1') throw malformed('photometric')
  const parsed = Volume.safeParse({
    columns: sizes[0],
    rows: sizes[1],
    slices: sizes[2],
    type: fields.get('type'),
    spaceDirections: directions,
    origin: vectorOf(fields.get('space origin') ?? ''),
    slope: number(pairs.get('rescale slope') ?? ''),
    intercept: number(pairs.get('rescale intercept') ?? ''),
    units: pairs.get('units'),
    modality: pairs.get('modality'),
    inverted: photometric === undefined ? undefined : true,
  })
  if (!parsed.success) throw malformed('value')
  return JSON.parse(JSON.stringify(parsed.data)) as Volume
}

function vector(v: Vec3): string {
  return `(${v.join(',')})`
}

function vectorOf(text: string): Vec3 {
  const parts = /^\(([^()]*)\)$/.exec(text)?.[1]?.split(',') ?? []
  if (parts.length !== 3) throw malformed('vector')
  return parts.map(number) as Vec3
}

function number(text: string): number {
  if (!/^-?\d+(\.\d+)?(e[+-]?\d+)?$/.test(text)) throw malformed('number')
  return Number(text)
}

function malformed(what: string): MdmError {
  return new MdmError('MDM_INTEGRITY', `the volume header is malformed (${what})`)
}
