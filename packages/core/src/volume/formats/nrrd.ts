import { MdmError } from '../../errors.ts'
import { spacing, Volume, type SeriesAxis, type Vec3, type VoxelType } from '../volume.ts'

/** No header is longer, so that the first frame of a container (64 KiB) holds all of it. */
const MAX_HEADER_BYTES = 65_536
const AXES = 'domain domain domain'
/** Three samples a voxel are an axis of their own, the fastest, which has no place in space. */
const COLOUR_AXES = `RGB-color ${AXES}`

/** Where the format has a name of its own for a type. */
const TYPE_NAMES: Readonly<Partial<Record<VoxelType, string>>> = {
  float32: 'float',
  float64: 'double',
  rgb24: 'uint8',
}

/**
 * The NRRD header of a volume: readable, attached, followed by the raw voxels. A closed list that names neither the
 * object nor the software nor the time; equal volumes have equal headers. Numbers are written so that they read back exactly.
 *
 * @param axis where the volumes of a set follow each other: a last axis of kind `list`, named in key/value pairs
 * @returns ASCII, ending with the blank line after which the voxels begin
 * @throws MDM_GEOMETRY_GAP when so many slice positions do not fit a header
 * @see docs/formats/volume.md; paper 4.2; https://teem.sourceforge.net/nrrd/format.html
 */
export function nrrdHeader(volume: Volume, axis?: SeriesAxis): Buffer {
  const isColour = volume.type === 'rgb24'
  const colour = (text: string) => (isColour ? [text] : [])
  const last = (text: string) => (axis === undefined ? [] : [text])
  const placed = (text: string) => (volume.unplaced === undefined ? [text] : [])
  const unplaced = (text: string) => (volume.unplaced === undefined ? [] : [text])
  const lines = [
    'NRRD0004',
    `type: ${TYPE_NAMES[volume.type] ?? volume.type}`,
    `dimension: ${3 + (isColour ? 1 : 0) + (axis === undefined ? 0 : 1)}`,
    ...placed('space: left-posterior-superior'),
    `sizes: ${[...colour('3'), volume.columns, volume.rows, volume.slices, ...last(`${axis?.values.length}`)].join(' ')}`,
    ...placed(
      `space directions: ${[...colour('none'), ...volume.spaceDirections.map(vector), ...last('none')].join(' ')}`,
    ),
    ...unplaced(`spacings: ${[...colour('NaN'), ...spacing(volume), ...last('NaN')].join(' ')}`),
    `kinds: ${[isColour ? COLOUR_AXES : AXES, ...last('list')].join(' ')}`,
    'endian: little',
    'encoding: raw',
    ...placed('space units: "mm" "mm" "mm"'),
    ...placed(`space origin: ${vector(volume.origin)}`),
    `rescale slope:=${volume.slope}`,
    `rescale intercept:=${volume.intercept}`,
    `modality:=${volume.modality}`,
    ...(volume.units === undefined ? [] : [`units:=${volume.units}`]),
    ...(volume.inverted ? ['photometric:=MONOCHROME1'] : []),
    ...unplaced(`unplaced:=${volume.unplaced}`),
    ...(volume.lossy ? ['lossy:=true'] : []),
    ...(volume.slicePositions === undefined ? [] : [`slice positions:=${volume.slicePositions.join(' ')}`]),
    ...axisPairs(axis),
  ]
  const header = Buffer.from(`${lines.join('\n')}\n\n`, 'latin1')
  if (header.length > MAX_HEADER_BYTES) {
    const what = `${volume.slices} unevenly spaced slices: their positions make a header of ${header.length} bytes`
    throw new MdmError('MDM_GEOMETRY_GAP', `${what}, and ${MAX_HEADER_BYTES} is the most`)
  }
  return header
}

function axisPairs(axis: SeriesAxis | undefined): string[] {
  if (axis === undefined) return []
  const unit = axis.unit === undefined ? [] : [`axis unit:=${axis.unit}`]
  return [`axis:=${axis.name}`, ...unit, `axis values:=${axis.values.join(' ')}`]
}

/**
 * Reads the header that nrrdHeader writes of one volume, in any order of its fields. Unknown key/value pairs are passed over;
 * an unknown field is refused, since it could change what the voxels mean.
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

const FIXED: Readonly<Record<string, string>> = { endian: 'little', encoding: 'raw' }
const FIXED_IN_SPACE: Readonly<Record<string, string>> = {
  space: 'left-posterior-superior',
  'space units': '"mm" "mm" "mm"',
}
const READ = ['type', 'dimension', 'kinds', 'sizes']
const READ_IN_SPACE = ['space directions', 'space origin']
const READ_UNPLACED = ['spacings']

function volumeOf(fields: ReadonlyMap<string, string>, pairs: ReadonlyMap<string, string>): Volume {
  const unplaced = pairs.get('unplaced')
  const fixed = unplaced === undefined ? { ...FIXED, ...FIXED_IN_SPACE } : FIXED
  const read = [...READ, ...(unplaced === undefined ? READ_IN_SPACE : READ_UNPLACED)]
  for (const [name, value] of Object.entries(fixed)) if (fields.get(name) !== value) throw malformed(name)
  for (const name of fields.keys())
    if (!(name in fixed) && !read.includes(name)) throw malformed('unknown field')
  const positions = pairs.get('slice positions')?.split(' ').map(number)
  const parsed = Volume.safeParse({
    ...gridOf(fields, unplaced === undefined ? 'space directions' : 'spacings'),
    unplaced,
    slope: number(pairs.get('rescale slope') ?? ''),
    intercept: number(pairs.get('rescale intercept') ?? ''),
    units: pairs.get('units'),
    modality: pairs.get('modality'),
    inverted: flag(pairs, 'photometric', 'MONOCHROME1'),
    lossy: flag(pairs, 'lossy', 'true'),
    slicePositions: positions,
  })
  if (!parsed.success) throw malformed('value')
  if (positions !== undefined && positions.length !== parsed.data.slices) throw malformed('slice positions')
  return JSON.parse(JSON.stringify(parsed.data)) as Volume
}

/** Type and axes; of colour the first axis is that of the samples. */
function gridOf(
  fields: ReadonlyMap<string, string>,
  steps: 'space directions' | 'spacings',
): Record<'type' | 'columns' | 'rows' | 'slices' | 'spaceDirections' | 'origin', unknown> {
  const isColour = fields.get('kinds') === COLOUR_AXES
  const sizes = (fields.get('sizes') ?? '').split(' ').map(number)
  const directions = (fields.get(steps) ?? '').split(' ')
  if (fields.get('dimension') !== String(isColour ? 4 : 3)) throw malformed('dimension')
  if (!isColour && fields.get('kinds') !== AXES) throw malformed('kinds')
  if (isColour && (sizes.shift() !== 3 || directions.shift() !== NO_STEP[steps])) throw malformed('colour')
  if (sizes.length !== 3 || directions.length !== 3) throw malformed('sizes')
  const grid = {
    type: typeOf(fields.get('type') ?? '', isColour),
    ...{ columns: sizes[0], rows: sizes[1], slices: sizes[2] },
  }
  if (steps === 'spacings')
    return { ...grid, spaceDirections: alongAxes(directions.map(number) as Vec3), origin: [0, 0, 0] }
  return {
    ...grid,
    spaceDirections: directions.map(vectorOf),
    origin: vectorOf(fields.get('space origin') ?? ''),
  }
}

/** What stands for the step of an axis that is none of space. */
const NO_STEP = { 'space directions': 'none', spacings: 'NaN' } as const

function alongAxes([x, y, z]: Vec3): [Vec3, Vec3, Vec3] {
  return [
    [x, 0, 0],
    [0, y, 0],
    [0, 0, z],
  ]
}

function typeOf(text: string, isColour: boolean): string {
  if (isColour) {
    if (text !== TYPE_NAMES.rgb24) throw malformed('type')
    return 'rgb24'
  }
  // Only as this version writes them: each type has one name.
  if (text in TYPE_NAMES) throw malformed('type')
  return Object.entries(TYPE_NAMES).find(([type, name]) => name === text && type !== 'rgb24')?.[0] ?? text
}

function flag(pairs: ReadonlyMap<string, string>, name: string, wanted: string): true | undefined {
  const said = pairs.get(name)
  if (said !== undefined && said !== wanted) throw malformed(name)
  return said === undefined ? undefined : true
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
