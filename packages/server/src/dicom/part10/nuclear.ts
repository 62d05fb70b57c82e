import type { Vec3 } from '@mdm/core/volume/volume'
import { MAX_FRAMES } from '../frame-table.ts'
import type { NuclearFacts, Orientation } from '../source.ts'
import type { Elements } from './elements.ts'
import { IMPLICIT, UNDEFINED_LENGTH, unsigned16 } from './encoding.ts'
import { readItems, type Value } from './items.ts'
import { decimals, trim } from './plain-values.ts'
import type { Steps } from './steps.ts'

/** What a reconstructed NM object says of its frames; undefined where it numbers no slices. */
export function* readNuclear(elements: Elements): Steps<NuclearFacts | undefined> {
  const slices = vector(elements, 'x00540080')
  const detector = elements.byTag.get('x00540022')
  if (slices === undefined || detector === undefined) return undefined
  const { start } = elements
  const found: { position?: Value; orientation?: Value } = {}
  const items = yield* readItems<'position' | 'orientation'>(
    start.bytes,
    { ...detector, items: detector.vr === 'UN' ? IMPLICIT : start },
    {
      wanted: new Map([
        [0x00200032, 'position'],
        [0x00200037, 'orientation'],
      ]),
      item: (index) => index === 0,
      value(name, value) {
        found[name] ??= value
      },
    },
  )
  return {
    position: items === undefined ? undefined : (numbersAt(found.position, 3) as Vec3 | undefined),
    orientation:
      items === undefined ? undefined : (numbersAt(found.orientation, 6) as Orientation | undefined),
    slices,
    timeSlots: vector(elements, 'x00540070') ?? [],
  }
}

/** A US for each frame. */
function vector({ start, byTag }: Elements, tag: string): number[] | undefined {
  const head = byTag.get(tag)
  if (head === undefined || head.length === UNDEFINED_LENGTH || head.length > 2 * MAX_FRAMES) return undefined
  const at = (i: number): number => unsigned16(start.bytes, head.dataOffset + 2 * i, start.bigEndian)
  return Array.from({ length: Math.floor(head.length / 2) }, (_, i) => at(i))
}

function numbersAt(value: Value | undefined, count: number): number[] | undefined {
  if (value === undefined || value.to - value.from > 400) return undefined
  const texts = trim(value.bytes.toString('latin1', value.from, value.to))
    .split('\\')
    .map(trim)
  return texts.length === count ? decimals(texts) : undefined
}
