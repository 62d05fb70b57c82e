import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Element } from '../../conformance/raw-object.ts'
import { plantEchoes } from './echoes.ts'
import { everyKind, namedAndTyped } from './elements.ts'
import { NAMES } from './names.ts'
import { FORMS, takeNotes, type Notes, type Planted } from './notes.ts'
import { image, pixelsOf } from './pixels.ts'
import { identify, ROOT, writer, type Write } from './write.ts'
import { plantXrays } from './xrays.ts'

const CT = '1.2.840.10008.5.1.4.1.1.2'
export const SLICES = 3

/** A report and a key object beside the images of a series. */
const REPORTS = [
  ['1.2.840.10008.5.1.4.1.1.88.11', 'SR'],
  ['1.2.840.10008.5.1.4.1.1.88.59', 'KO'],
] as const

/** Series of CT, echoes and X-rays with a text of its own in every kind of element, a report, a key object, and a series for each character set. */
export async function plant(folder: string): Promise<Planted[]> {
  const notes = takeNotes()
  const dir = join(folder, notes.text('name of a folder'))
  await mkdir(dir, { recursive: true })
  const write = writer(notes)
  await plantCt(notes, dir, write)
  await plantEchoes(notes, dir, write)
  await plantXrays(notes, dir, write)
  await plantNames(notes, folder, write)
  return notes.planted
}

async function plantCt(notes: Notes, dir: string, write: Write): Promise<void> {
  const identity = identify(notes, `${ROOT}.1`, `${ROOT}.2`)
  const file = notes.text('name of a file')
  const above = notes.text('the bits above the stored ones')
  const behind = notes.bytes('bytes behind the pixels')
  const texts = [...everyKind(notes, ''), ...namedAndTyped(notes, '', ['Kanarievogel', 'Victor'])]
  for (let k = 0; k < SLICES; k++) {
    const pixels = { tag: '7fe00010', vr: 'OW', value: Buffer.concat([pixelsOf(k, { above }), behind]) }
    const elements = [...identity, ...texts, ...image(k), pixels]
    await write(join(dir, `${file}${k}.dcm`), CT, `${ROOT}.3.${k}`, elements)
  }
  for (const [i, [sopClass, modality]] of REPORTS.entries()) {
    const content = [
      notes.element('0040a160', 'UT', FORMS.text, `${modality} `),
      notes.element('0040a123', 'PN', FORMS.person, `${modality} `),
    ]
    const elements: Element[] = [
      ...[...identity, { tag: '00080060', vr: 'CS', value: modality }],
      { tag: '0040a730', vr: 'SQ', value: [content] },
    ]
    await write(join(dir, `${modality}.dcm`), sopClass, `${ROOT}.4.${i}`, elements)
  }
}

async function plantNames(notes: Notes, folder: string, write: Write): Promise<void> {
  for (const [i, [set, person, stored]] of NAMES.entries()) {
    notes.note(`a name in ${set}`, person, stored)
    const identity = identify(notes, `${ROOT}.5.${i}.1`, `${ROOT}.5.${i}.2`)
    const named = { tag: '00100010', vr: 'PN', value: stored }
    const inside = { tag: '00081111', vr: 'SQ', value: [[{ tag: '00080005', vr: 'CS', value: set }, named]] }
    for (let k = 0; k < 2; k++) {
      const elements: Element[] = [
        ...[...identity, { tag: '00080005', vr: 'CS', value: set }, named, inside, ...image(k)],
        ...[{ tag: '0008103e', vr: 'LO', value: stored }],
        { tag: '7fe00010', vr: 'OW', value: pixelsOf(k) },
      ]
      await write(join(folder, `charset-${i}-${k}.dcm`), CT, `${ROOT}.5.${i}.3.${k}`, elements)
    }
  }
}
