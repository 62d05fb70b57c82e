import type { Vec3 } from '@mdm/core/volume/volume'
import type { TileFacts } from '../source.ts'
import { readCsa } from './csa.ts'
import type { Elements } from './elements.ts'
import { IMPLICIT, UNDEFINED_LENGTH } from './encoding.ts'
import { readItems } from './items.ts'
import { decimals, trim } from './plain-values.ts'
import type { Steps } from './steps.ts'
import type { Values } from './values.ts'

/** A square of 32 tiles a side; scanners make one of 11. */
export const MAX_TILES = 1024
/** The protocol in a CSA header is about 100 KiB of text. */
const MAX_CSA_BYTES = 1 << 20
const MAX_PROTOCOL_BYTES = 512 * 1024

/** What a Siemens mosaic or a UIH grid says of its tiles; only such objects are asked. */
export function* readTiles(elements: Elements, values: Values): Steps<TileFacts | undefined> {
  const grid = values.privateTag('0065', 'Image Private Header', '51')
  if (elements.byTag.has(grid)) return yield* gridTiles(elements, grid)
  return mosaicTiles(elements, values)
}

/** UIH: an item for each tile, with its position. */
function* gridTiles({ start, byTag }: Elements, tag: string): Steps<TileFacts | undefined> {
  const head = byTag.get(tag)!
  const positions: (Vec3 | undefined)[] = []
  let index = 0
  const count = yield* readItems<'position'>(
    start.bytes,
    { ...head, items: head.vr === 'UN' ? IMPLICIT : start },
    {
      wanted: new Map([[0x00200032, 'position']]),
      item: (at) => (index = at) < MAX_TILES,
      value(_, { bytes, from, to }) {
        const texts = trim(bytes.toString('latin1', from, Math.min(to, from + 256))).split('\\')
        positions[index] ??= texts.length === 3 ? (decimals(texts.map(trim)) as Vec3 | undefined) : undefined
      },
    },
  )
  if (count === undefined || count > MAX_TILES) return undefined
  const known = Array.from({ length: count }, (_, i) => positions[i])
  return known.every((position) => position !== undefined) ? { count, positions: known } : { count }
}

/** Siemens: the number of tiles, the way they are stacked, and where the protocol wanted their centres. */
function mosaicTiles(elements: Elements, values: Values): TileFacts | undefined {
  const bytesOf = (element: string): Buffer => {
    const head = elements.byTag.get(values.privateTag('0029', 'SIEMENS CSA HEADER', element))
    if (head === undefined || head.length === UNDEFINED_LENGTH) return Buffer.alloc(0)
    return elements.start.bytes.subarray(
      head.dataOffset,
      head.dataOffset + Math.min(head.length, MAX_CSA_BYTES),
    )
  }
  const image = readCsa(bytesOf('10'), new Set(['NumberOfImagesInMosaic', 'SliceNormalVector']), 64)
  const count =
    values.unsigned(values.privateTag('0019', 'SIEMENS MR HEADER', '0a')) ??
    decimals(image.get('NumberOfImagesInMosaic') ?? [])?.[0]
  if (count === undefined || !(count >= 1 && count <= MAX_TILES)) return undefined
  const normal = decimals(image.get('SliceNormalVector') ?? [])
  const series = readCsa(bytesOf('20'), new Set(['MrPhoenixProtocol', 'MrProtocol']), MAX_PROTOCOL_BYTES)
  const protocol = series.get('MrPhoenixProtocol')?.[0] ?? series.get('MrProtocol')?.[0] ?? ''
  const centres = sliceCentres(protocol, count)
  return {
    count,
    ...(normal?.length === 3 && { normal: normal as Vec3 }),
    ...(centres && { centres }),
  }
}

const AXES = ['dSag', 'dCor', 'dTra'] as const

/** Centres of the slices of a protocol, LPS; a component that is not written is 0. Undefined unless there are `count`. */
function sliceCentres(protocol: string, count: number): Vec3[] | undefined {
  const centres: Vec3[] = []
  const lines = protocol.matchAll(
    /^sSliceArray\.asSlice\[(\d{1,4})\]\.(?:sPosition\.(dSag|dCor|dTra)|dThickness)[\t ]*=[\t ]*([-+.\deE]{1,32})/gm,
  )
  for (const [, slice, axis, text] of lines) {
    const index = Number(slice)
    const number = decimals([text!])?.[0]
    if (index >= count || number === undefined) return undefined
    const centre = (centres[index] ??= [0, 0, 0])
    if (axis !== undefined) centre[AXES.indexOf(axis as (typeof AXES)[number])] = number
  }
  return Object.keys(centres).length === count ? centres : undefined
}
