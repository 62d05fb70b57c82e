import type { Element } from '../../conformance/raw-object.ts'

/** Something that must not get out. */
export interface Planted {
  /** where it was put */
  readonly where: string
  /** as people read it */
  readonly text: string
  /** as it stands in the object */
  readonly bytes: Buffer
  /** it stands in voxels that are delivered, so it must be found there: a search that finds nothing else is one that works */
  readonly isDelivered: boolean
}

export type Notes = ReturnType<typeof takeNotes>

/** Forms of a text that its number makes unlike any other. */
export const FORMS = {
  text: (n: string) => `Kanarie${n}Vogel`,
  person: (n: string) => `Kanarie${n}^Vera`,
  code: (n: string) => `KANARIE${n}`,
  uid: (n: string) => `1.2.826.0.1.3680043.2.1143.4711.77.${n}`,
  day: (n: string) => new Date(Date.UTC(1931, 1, Number(n))).toISOString().slice(0, 10).replaceAll('-', ''),
  time: (n: string) => `031745.1${n}`,
  count: (n: string) => `991${n}301`,
  decimal: (n: string) => `71.309${n}`,
}

/** Makes texts that stand nowhere else, and keeps where each was put. */
export function takeNotes() {
  const planted: Planted[] = []
  let count = 0
  const note = (where: string, text: string, bytes: Buffer = Buffer.from(text, 'latin1')): string => {
    planted.push({ where, text, bytes, isDelivered: false })
    return text
  }
  /** A new text, noted. */
  const text = (where: string, form: (n: string) => string = FORMS.text): string =>
    note(where, form(String(++count).padStart(3, '0')))
  /** An element of such a text; `within` says of which series or object. */
  const element = (tag: string, vr: string, form = FORMS.text, within = ''): Element => ({
    ...{ tag, vr },
    value: text(`${within}${tag} ${vr}`, form),
  })
  /** Sixteen bytes that begin with such a text, behind some that say nothing. */
  const bytes = (where: string, before = 0): Buffer =>
    Buffer.concat([Buffer.alloc(before), Buffer.from(text(where).padEnd(16, '.'))])
  /** A text for voxels that are delivered. */
  const delivered = (where: string): string => {
    const stored = FORMS.text(String(++count).padStart(3, '0'))
    planted.push({ where, text: stored, bytes: Buffer.from(stored, 'utf16le'), isDelivered: true })
    return stored
  }
  return { planted, note, text, element, bytes, delivered }
}
