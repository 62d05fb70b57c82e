import type { Element } from '../../conformance/raw-object.ts'
import { FORMS, type Notes } from './notes.ts'

/** Where an operator types, and may have typed the patient's name. */
const TYPED = [
  ...[['0008103e', 'LO'] as const, ['00181030', 'LO'] as const, ['00180010', 'LO'] as const],
  ...[['00180024', 'SH'] as const, ['00181210', 'SH'] as const],
]

/**
 * Elements of every kind with a text of its own each, but for those that make an object a slice.
 *
 * @param within the series, before each place that is noted
 */
export function everyKind(notes: Notes, within: string): Element[] {
  const { person, uid, day, time } = FORMS
  const element = (tag: string, vr: string, form = FORMS.text) => notes.element(tag, vr, form, within)
  const all = (vr: string, form: (n: string) => string, ...tags: string[]) =>
    tags.map((tag) => element(tag, vr, form))
  const bytes = (where: string, before = 0) => notes.bytes(`${within}${where}`, before)
  return [
    ...all('DA', day, '00080012', '00100030', '00400244'),
    ...all('TM', time, '00080013', '00100032'),
    ...all('UI', uid, '00080014', '00181002', '00200052'),
    element('00080015', 'DT', (n) => `${day(n)}${time(n)}`),
    ...all('PN', person, '00080090', '00081048', '00081050', '00081060', '00081070'),
    ...all('PN', person, '00101001', '00101060', '00321032'),
    ...all(
      'SH',
      FORMS.text,
      '00080050',
      '00080094',
      '00081010',
      '00102154',
      '00102160',
      '00181250',
      '00200010',
    ),
    ...all('ST', FORMS.text, '00080081', '00080092'),
    ...all('LO', FORMS.text, '00080080', '00081030', '00081040', '00081080', '00100020', '00100021'),
    ...all('LO', FORMS.text, '00101000', '00101040', '00181000', '00281054', '00321060'),
    ...all('LO', FORMS.text, '00380300', '00400254'),
    ...all('LT', FORMS.text, '001021b0', '00104000', '00204000'),
    ...[element('00080119', 'UC'), element('00080120', 'UR')],
    ...[element('00201209', 'IS', FORMS.count), element('00101030', 'DS', FORMS.decimal)],
    // sequences, three deep, with and without lengths
    {
      ...{ tag: '00400275', vr: 'SQ', undefinedLength: true },
      value: [
        [element('00400008', 'LO'), { tag: '00401060', vr: 'SQ', value: [[element('00080104', 'LO')]] }],
      ],
    },
    { tag: '0040a730', vr: 'SQ', value: [[element('0040a123', 'PN', person), element('0040a160', 'UT')]] },
    {
      tag: '04000561',
      vr: 'SQ',
      value: [
        [
          {
            tag: '04000550',
            vr: 'SQ',
            value: [[notes.element('00100010', 'PN', person, `${within}original `)]],
          },
        ],
      ],
    },
    { tag: '00880200', vr: 'SQ', value: [[{ tag: '7fe00010', vr: 'OW', value: bytes('icon image') }]] },
    // private ones: text, unknown, a sequence, a block as Siemens has it
    ...all('LO', FORMS.text, '00090010', '00091001', '00290010'),
    { tag: '00091002', vr: 'UN', value: bytes('private UN') },
    { tag: '00091003', vr: 'SQ', value: [[element('00091011', 'LO')]] },
    { tag: '00291010', vr: 'OB', value: bytes('private OB', 300) },
    // overlay, curve
    ...all('LO', FORMS.text, '60000022', '60001500'),
    { tag: '60003000', vr: 'OW', value: bytes('overlay') },
    { tag: '50003000', vr: 'OW', value: bytes('curve') },
    { tag: 'fffcfffc', vr: 'OB', value: bytes('padding after the pixels') },
  ]
}

/** The patient's name, and descriptions into which the operator typed a part of it. */
export function namedAndTyped(notes: Notes, within: string, [family, given]: [string, string]): Element[] {
  const name = notes.note(`${within}00100010 PN`, `${family}^${given}`)
  const word = notes.note(`${within}descriptions`, family.toUpperCase())
  const typed = TYPED.map(([tag, vr]): Element => ({ tag, vr, value: `knee ${word}` }))
  return [{ tag: '00100010', vr: 'PN', value: name }, ...typed]
}
