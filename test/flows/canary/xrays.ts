import { join } from 'node:path'
import type { Element } from '../../conformance/raw-object.ts'
import { everyKind, namedAndTyped } from './elements.ts'
import { FORMS, type Notes } from './notes.ts'
import { image, pixelsOf } from './pixels.ts'
import { identify, ROOT, type Write } from './write.ts'

const CR = '1.2.840.10008.5.1.4.1.1.1'
const WITHIN = 'X-ray: '

/**
 * Two X-rays that say nothing of a place. The number of one is its label; that of the other is a text, and the label is made of
 * its UID. All bits of the other are delivered.
 */
export async function plantXrays(notes: Notes, dir: string, write: Write): Promise<void> {
  const identity = identify(notes, `${ROOT}.7.1`, `${ROOT}.7.2`)
  const above = notes.text(`${WITHIN}the bits above the stored ones`)
  const texts = [...everyKind(notes, WITHIN), ...namedAndTyped(notes, WITHIN, ['Kanarienhenne', 'Xenia'])]
  const numbers = [
    notes.text(`${WITHIN}00200013 IS`, FORMS.count),
    notes.text(`${WITHIN}a number that is none`, FORMS.code),
  ]
  const pixels = [
    { bits: 12, value: pixelsOf(0, { above, stored: notes.delivered('a voxel of an X-ray') }) },
    { bits: 16, value: pixelsOf(0, { above: notes.delivered('the upper bits of an X-ray') }) },
  ]
  for (const [i, { bits, value }] of pixels.entries()) {
    const elements: Element[] = [
      ...[...identity, ...texts],
      ...image(i, { modality: 'CR', bits }).filter(({ tag }) => !PLACE.has(tag)),
      { tag: '00200013', vr: 'IS', value: numbers[i]! },
      { tag: '7fe00010', vr: 'OW', value },
    ]
    await write(join(dir, `x-ray-${i}.dcm`), CR, `${ROOT}.7.3.${i}`, elements)
  }
}

/** Position and orientation, and the number, which is another one here. */
const PLACE = new Set(['00200013', '00200032', '00200037'])
