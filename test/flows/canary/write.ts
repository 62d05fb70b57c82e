import { writeFile } from 'node:fs/promises'
import { encodeDataSet, encodeFile, SYNTAXES, type Element } from '../../conformance/raw-object.ts'
import { FORMS, type Notes } from './notes.ts'

export const ROOT = '1.2.826.0.1.3680043.2.1143.4711'

/** Writes an object, with texts beside its data set too. */
export type Write = (
  path: string,
  sopClass: string,
  sop: string,
  elements: readonly Element[],
) => Promise<void>

/** The UIDs of a study and its series, noted. */
export function identify({ note }: Notes, study: string, series: string): Element[] {
  return [
    { tag: '0020000d', vr: 'UI', value: note('0020000d UI', study) },
    { tag: '0020000e', vr: 'UI', value: note('0020000e UI', series) },
  ]
}

export function writer(notes: Notes): Write {
  const meta: Element[] = [
    notes.element('00020016', 'AE', (n) => `${FORMS.code(n)}AE`),
    notes.element('00020100', 'UI', FORMS.uid),
    { tag: '00020102', vr: 'OB', value: notes.bytes('private file meta information') },
  ]
  const preamble = notes.bytes('preamble')
  return async (path, sopClass, sop, elements) => {
    const all = [
      { tag: '00080016', vr: 'UI', value: sopClass },
      { tag: '00080018', vr: 'UI', value: notes.note('00080018 UI', sop) },
      ...elements,
    ]
    const inOrder = all.toSorted((a, b) => (a.tag < b.tag ? -1 : 1))
    const dataSet = encodeDataSet(inOrder, SYNTAXES.explicit)
    const written = encodeFile(dataSet, sopClass, sop, SYNTAXES.explicit, meta)
    preamble.copy(written)
    await writeFile(path, written)
  }
}
