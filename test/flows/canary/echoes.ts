import { join } from 'node:path'
import type { Element } from '../../conformance/raw-object.ts'
import { everyKind, namedAndTyped } from './elements.ts'
import { FORMS, type Notes } from './notes.ts'
import { image, pixelsOf } from './pixels.ts'
import { identify, ROOT, type Write } from './write.ts'

const MR = '1.2.840.10008.5.1.4.1.1.4'
const WITHIN = 'echo: '
export const ECHO_TIMES = [4.5, 9.25]

/**
 * A series of two echoes and of two image types, the second of which has the patient's name, so that labels of volumes and of sets
 * are made of it: two sets of two volumes.
 */
export async function plantEchoes(notes: Notes, dir: string, write: Write): Promise<void> {
  const identity = identify(notes, `${ROOT}.6.1`, `${ROOT}.6.2`)
  const above = notes.text(`${WITHIN}the bits above the stored ones`)
  const stored = notes.delivered('a voxel of an echo')
  const typed = notes.note(`${WITHIN}00080008 CS`, 'KANARIENHAHN')
  const texts = [
    ...[...everyKind(notes, WITHIN), ...namedAndTyped(notes, WITHIN, ['Kanarienhahn', 'Wanda'])],
    notes.element('00089208', 'CS', FORMS.code, WITHIN),
  ]
  for (const [t, type] of ['M', typed].entries())
    for (const [e, ms] of ECHO_TIMES.entries())
      for (let k = 0; k < 2; k++) {
        const object = `${t}.${e}.${k}`
        const elements: Element[] = [
          ...[...identity, ...texts, ...image(k, { modality: 'MR', type })],
          { tag: '00180081', vr: 'DS', value: String(ms) },
          { tag: '00180086', vr: 'IS', value: String(e + 1) },
          { tag: '7fe00010', vr: 'OW', value: pixelsOf(k, { above, stored }) },
        ]
        await write(join(dir, `echo-${object}.dcm`), MR, `${ROOT}.6.3.${object}`, elements)
      }
}
