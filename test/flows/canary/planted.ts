import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { encodeDataSet, encodeFile, SYNTAXES, type Element } from '../../conformance/raw-object.ts'
import { NAMES } from './names.ts'

/** Something that must not get out. */
export interface Planted {
  /** where it was put */
  readonly where: string
  /** as people read it */
  readonly text: string
  /** as it stands in the object */
  readonly bytes: Buffer
}

const CT = '1.2.840.10008.5.1.4.1.1.2'
const ROOT = '1.2.826.0.1.3680043.2.1143.4711'
const COLUMNS = 16
const ROWS = 12
export const SLICES = 3

/** A series with a text of its own in every kind of element, a report, a key object, and a series for each character set. */
export async function plant(folder: string): Promise<Planted[]> {
  const planted: Planted[] = []
  let count = 0
  const note = (where: string, text: string, bytes: Buffer = Buffer.from(text, 'latin1')) => {
    planted.push({ where, text, bytes })
    return text
  }
  /** A text that stands nowhere else. */
  const text = (where: string, form = (n: string) => `Kanarie${n}Vogel`) =>
    note(where, form(String(++count).padStart(2, '0')))
  const element = (tag: string, vr: string, form?: (n: string) => string, where = ''): Element => ({
    ...{ tag, vr },
    value: text(`${where}${tag} ${vr}`, form),
  })
  const person = (n: string) => `Kanarie${n}^Vera`
  const uid = (n: string) => `${ROOT}.77.${n}`
  const bytes = (where: string, before = 0) =>
    Buffer.concat([Buffer.alloc(before), Buffer.from(`${text(where)}....`.slice(0, 16).padEnd(16, '.'))])

  const identity = { study: note('0020000d UI', `${ROOT}.1`), series: note('0020000e UI', `${ROOT}.2`) }
  const fixed: Element[] = [
    ...[element('00080012', 'DA', () => '19310217'), element('00080013', 'TM', () => '031745.1234')],
    ...[element('00080014', 'UI', uid), element('00080015', 'DT', () => '19310218031745.77')],
    ...[
      element('00080050', 'SH'),
      element('00080080', 'LO'),
      element('00080081', 'ST'),
      element('00080090', 'PN', person),
    ],
    ...[
      element('00080092', 'ST'),
      element('00080094', 'SH'),
      element('00080119', 'UC'),
      element('00080120', 'UR'),
    ],
    ...[
      element('00081010', 'SH'),
      element('00081030', 'LO'),
      element('00081040', 'LO'),
      element('00081048', 'PN', person),
    ],
    ...[
      element('00081050', 'PN', person),
      element('00081060', 'PN', person),
      element('00081070', 'PN', person),
    ],
    ...[element('00081080', 'LO'), element('00100020', 'LO'), element('00100021', 'LO')],
    ...[element('00100030', 'DA', () => '19310219'), element('00100032', 'TM', () => '041746.4321')],
    ...[
      element('00101000', 'LO'),
      element('00101001', 'PN', person),
      element('00101040', 'LO'),
      element('00101060', 'PN', person),
    ],
    ...[
      element('00102154', 'SH'),
      element('00102160', 'SH'),
      element('001021b0', 'LT'),
      element('00104000', 'LT'),
    ],
    ...[
      element('00181000', 'LO'),
      element('00181002', 'UI', uid),
      element('00200010', 'SH'),
      element('00200052', 'UI', uid),
    ],
    ...[
      element('00204000', 'LT'),
      element('00281054', 'LO'),
      element('00321032', 'PN', person),
      element('00321060', 'LO'),
    ],
    ...[element('00380300', 'LO'), element('00400244', 'DA', () => '19310220'), element('00400254', 'LO')],
    ...[element('00201209', 'IS', () => '991773301'), element('00101030', 'DS', () => '71.309174')],
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
      value: [[{ tag: '04000550', vr: 'SQ', value: [[element('00100010', 'PN', person, 'original ')]] }]],
    },
    { tag: '00880200', vr: 'SQ', value: [[{ tag: '7fe00010', vr: 'OW', value: bytes('icon image') }]] },
    // private ones: text, unknown, a sequence, a block as Siemens has it
    ...[
      element('00090010', 'LO'),
      element('00091001', 'LO'),
      { tag: '00091002', vr: 'UN', value: bytes('private UN') },
    ],
    { tag: '00091003', vr: 'SQ', value: [[element('00091011', 'LO')]] },
    ...[element('00290010', 'LO'), { tag: '00291010', vr: 'OB', value: bytes('private OB', 300) }],
    // overlay, curve
    ...[
      element('60000022', 'LO'),
      element('60001500', 'LO'),
      { tag: '60003000', vr: 'OW', value: bytes('overlay') },
    ],
    { tag: '50003000', vr: 'OW', value: bytes('curve') },
    { tag: 'fffcfffc', vr: 'OB', value: bytes('padding after the pixels') },
  ]
  // The operator typed the patient's name where a scan is described.
  const name = note('00100010 PN', 'Kanarievogel^Victor')
  const typed: Element[] = (['0008103e', '00181030', '00180010', '00180024', '00181210'] as const).map(
    (tag) => ({
      ...{ tag, vr: tag === '00180024' || tag === '00181210' ? 'SH' : 'LO' },
      value: 'knee KANARIEVOGEL',
    }),
  )
  note('descriptions', 'KANARIEVOGEL')
  const inBits = text('the bits above the stored ones')
  const behind = bytes('bytes behind the pixels')
  const dir = join(folder, text('name of a folder'))
  const file = text('name of a file')
  const meta: Element[] = [
    element('00020016', 'AE', (n) => `KANARIE${n}AE`),
    element('00020100', 'UI', uid),
    { tag: '00020102', vr: 'OB', value: bytes('private file meta information') },
  ]
  const preamble = bytes('preamble')

  await mkdir(dir, { recursive: true })
  const write = async (path: string, sopClass: string, sop: string, elements: readonly Element[]) => {
    note('00080018 UI', sop)
    const all = [
      { tag: '00080016', vr: 'UI', value: sopClass },
      { tag: '00080018', vr: 'UI', value: sop },
      ...elements,
    ]
    const dataSet = encodeDataSet(
      all.toSorted((a, b) => (a.tag < b.tag ? -1 : 1)),
      SYNTAXES.explicit,
    )
    const written = encodeFile(dataSet, sopClass, sop, SYNTAXES.explicit, meta)
    preamble.copy(written)
    await writeFile(path, written)
  }
  const of = ({ study, series }: typeof identity): Element[] => [
    { tag: '0020000d', vr: 'UI', value: study },
    { tag: '0020000e', vr: 'UI', value: series },
  ]
  for (let k = 0; k < SLICES; k++) {
    const patient = { tag: '00100010', vr: 'PN', value: name }
    const pixels = { tag: '7fe00010', vr: 'OW', value: Buffer.concat([pixelsOf(k, inBits), behind]) }
    const elements = [...of(identity), patient, ...fixed, ...typed, ...image(k), pixels]
    await write(join(dir, `${file}${k}.dcm`), CT, `${ROOT}.3.${k}`, elements)
  }
  for (const [i, [sopClass, modality]] of REPORTS.entries()) {
    const content = {
      tag: '0040a730',
      vr: 'SQ',
      value: [
        [
          element('0040a160', 'UT', undefined, `${modality} `),
          element('0040a123', 'PN', person, `${modality} `),
        ],
      ],
    }
    const elements = [...of(identity), { tag: '00080060', vr: 'CS', value: modality }, content]
    await write(join(dir, `${modality}.dcm`), sopClass, `${ROOT}.4.${i}`, elements)
  }
  for (const [i, [set, person, stored]] of NAMES.entries()) {
    note(`a name in ${set}`, person, stored)
    const own = {
      study: note('0020000d UI', `${ROOT}.5.${i}.1`),
      series: note('0020000e UI', `${ROOT}.5.${i}.2`),
    }
    const named = { tag: '00100010', vr: 'PN', value: stored }
    const inside = { tag: '00081111', vr: 'SQ', value: [[{ tag: '00080005', vr: 'CS', value: set }, named]] }
    for (let k = 0; k < 2; k++) {
      const elements: Element[] = [
        ...[...of(own), { tag: '00080005', vr: 'CS', value: set }, named, inside, ...image(k)],
        ...[{ tag: '0008103e', vr: 'LO', value: stored }],
        { tag: '7fe00010', vr: 'OW', value: pixelsOf(k, '') },
      ]
      await write(join(folder, `charset-${i}-${k}.dcm`), CT, `${ROOT}.5.${i}.3.${k}`, elements)
    }
  }
  return planted
}

/** A report and a key object beside the images of a series. */
const REPORTS = [
  ['1.2.840.10008.5.1.4.1.1.88.11', 'SR'],
  ['1.2.840.10008.5.1.4.1.1.88.59', 'KO'],
] as const

/** What makes an object a slice, without anybody's name. */
function image(k: number): Element[] {
  const numbers = (tag: string, ...value: number[]): Element => ({ tag, vr: 'US', value })
  const modality = { tag: '00080060', vr: 'CS', value: 'CT' }
  return [
    ...[{ tag: '00080008', vr: 'CS', value: 'ORIGINAL\\PRIMARY\\AXIAL' }, modality],
    ...[
      { tag: '00180050', vr: 'DS', value: '2' },
      { tag: '00200013', vr: 'IS', value: String(k + 1) },
    ],
    { tag: '00200032', vr: 'DS', value: `0\\0\\${2 * k}` },
    { tag: '00200037', vr: 'DS', value: '1\\0\\0\\0\\1\\0' },
    ...[numbers('00280002', 1), { tag: '00280004', vr: 'CS', value: 'MONOCHROME2' }],
    ...[
      numbers('00280010', ROWS),
      numbers('00280011', COLUMNS),
      { tag: '00280030', vr: 'DS', value: '1\\1' },
    ],
    ...[numbers('00280100', 16), numbers('00280101', 12), numbers('00280102', 11), numbers('00280103', 0)],
    ...[
      { tag: '00281052', vr: 'DS', value: '0' },
      { tag: '00281053', vr: 'DS', value: '1' },
    ],
  ]
}

/** Values of 12 bits, and a text in the four bits above, half a letter in each word. */
function pixelsOf(k: number, text: string): Buffer {
  const pixels = Buffer.alloc(COLUMNS * ROWS * 2)
  const letters = Buffer.from(text)
  for (let i = 0; i < COLUMNS * ROWS; i++) {
    const letter = letters[i >> 1] ?? 0
    const half = i % 2 === 0 ? letter >> 4 : letter & 15
    pixels.writeUInt16LE((half << 12) | (100 * k + i), 2 * i)
  }
  return pixels
}

/** The letters in the upper four bits of words, as pixelsOf() put them there. */
export function upperBits(words: Buffer): Buffer {
  const out = Buffer.alloc(words.length >> 2)
  for (let i = 0; i < out.length; i++) out[i] = (words[4 * i + 1]! & 0xf0) | (words[4 * i + 3]! >> 4)
  return out
}
