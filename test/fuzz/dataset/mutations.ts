/** What can be done to a data set, each with its share of a thousand. */
import { deflateRawSync } from 'node:zlib'
import { LONG_VRS } from '@mdm/server/dicom/part10/encoding'
import type { Random } from '../../fixtures/random.ts'
import { frameGroups, sequence } from './frames.ts'
import * as hostile from './hostile.ts'
import type { Seed } from './seeds.ts'
import { element, fragments, mark, ITEM, SEQUENCE_END, withSyntax } from './write.ts'

/** An object in the making: what stands before the data set, and the data set, deflated at the end where it has to be. */
export interface Draft {
  meta: Buffer
  dataSet: Buffer
  deflate: boolean
}

type Mutation = (seed: Seed, random: Random, others: readonly Seed[]) => Draft

const LENGTHS = [
  0, 1, 7, 8, 0x7f, 0xff, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
]
const VRS =
  'AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV ZZ'.split(
    ' ',
  )
const SYNTAXES = ['', '.1', '.1.99', '.2', '.4.70', '.5', '.8.1'].map((end) => `1.2.840.10008.1.2${end}`)
const NUMBERS = '0 -1 1A 1e308 -1e308 1e999 NaN Infinity 999999999999 0.5 1,5 4294967296 . e +'.split(' ')
const CHARACTER_SETS =
  'ISO_IR 100|ISO_IR 192|GB18030|ISO_IR 13|\\ISO 2022 IR 87|\\ISO 2022 IR 149|ISO 2022 IR 6\\ISO 2022 IR 58|X'.split(
    '|',
  )
const ESCAPES = ['$B', '$(D', '(B', '(J', '$)C', '$)A', ')I', '-F', '-T', '%', ''].map((end) => `\x1b${end}`)
/** Attributes that are read, by the VR they have. */
const NUMERIC: readonly (readonly [tag: number, count: number])[] = [
  [0x00280008, 1], [0x00200032, 3], [0x00200037, 6], [0x00280030, 2], [0x00180050, 1], [0x00180088, 1],
  [0x00281052, 1], [0x00281053, 1], [0x00180086, 1], [0x00181060, 1], [0x00200012, 1], [0x00200100, 1], [0x00541300, 1],
] // prettier-ignore
const COUNTS = [0x00280002, 0x00280010, 0x00280011, 0x00280100, 0x00280101, 0x00280102, 0x00280103]
const TEXTS = [0x00100010, 0x00100020, 0x00080080, 0x00081030, 0x0008103e, 0x00080008, 0x00081050, 0x00081070]

export const MUTATIONS: Record<string, { share: number; make: Mutation }> = {
  'bits flipped': { share: 120, make: (s, r) => edited(s, r, (bytes, at) => (bytes[at]! ^= 1 << r(8))) },
  'bytes replaced': {
    share: 120,
    make: (s, r) => edited(s, r, (bytes, at) => (bytes[at] = r(2) === 0 ? 255 : r(256))),
  },
  'length replaced': { share: 140, make: lengthReplaced },
  'VR swapped': { share: 100, make: vrSwapped },
  'VR of the transfer syntax swapped': { share: 10, make: syntaxVrSwapped },
  'transfer syntax replaced': {
    share: 30,
    make: (s, r) => ({ ...draft(s), meta: withSyntax(s.meta, SYNTAXES[r(SYNTAXES.length)]!) }),
  },
  'cut short': {
    share: 60,
    make: (s, r) => ({ ...draft(s), dataSet: s.dataSet.subarray(0, r(Math.min(s.dataSet.length, 4096))) }),
  },
  'number replaced': { share: 80, make: numberReplaced },
  'text in another character set': { share: 70, make: textReplaced },
  'two objects spliced': { share: 60, make: spliced },
  'elements moved, dropped or doubled': { share: 50, make: moved },
  'group length lies': { share: 20, make: groupLength },
  'private sequence': { share: 20, make: privateSequence },
  'fragments lie': { share: 20, make: fragmentsLie },
  'no meta information': { share: 12, make: (s) => ({ ...draft(s), meta: Buffer.alloc(0) }) },
  'sequences nested': {
    share: 8,
    make: (s, r) => inserted(s, r, hostile.deep(s, size(r), r(2) === 0, r(3) === 0 ? 'UN' : 'SQ')),
  },
  'very many elements': { share: 3, make: (s, r) => inserted(s, r, hostile.manyElements(s, size(r))) },
  'very many items': {
    share: 3,
    make: (s, r) => inserted(s, r, hostile.manyItems(s, size(r), r(3) === 0 ? 'UN' : 'SQ')),
  },
  'very many elements in an item': {
    share: 2,
    make: (s, r) => inserted(s, r, hostile.manyInside(s, size(r))),
  },
  'very many without an end': {
    share: 1,
    make: (s, r) => inserted(s, r, hostile.manyUnended(s, size(r), r(2) === 0 ? 'OB' : 'UN')),
  },
  'functional groups lie': { share: 50, make: groupsLie },
  'functional groups of other frames': {
    share: 10,
    make: (s, r) =>
      inserted(s, r, frameGroups(r(20) === 0 ? 2000 : r(9), { encoding: s, delimited: r(2) === 0 })),
  },
  'table of values lies': { share: 10, make: tableLies },
  'deflate bomb': { share: 1, make: bombed },
}

/** Alters an object. The same random numbers give the same bytes. */
export function mutate(seeds: readonly Seed[], random: Random): { kind: string; bytes: Buffer } {
  let left = random(1000)
  const kind = Object.keys(MUTATIONS).find((name) => (left -= MUTATIONS[name]!.share) < 0)!
  const { meta, dataSet, deflate } = MUTATIONS[kind]!.make(seeds[random(seeds.length)]!, random, seeds)
  return { kind, bytes: Buffer.concat([meta, deflate ? deflateRawSync(dataSet) : dataSet]) }
}

function draft({ meta, dataSet, deflated }: Seed): Draft {
  return { meta, dataSet, deflate: deflated }
}

/** Small far more often than large. */
function size(random: Random): number {
  return 2 ** -random(14)
}

/** Up to four places, most of them in the header; of a deflated object half the time in the deflated bytes. */
function edited(seed: Seed, random: Random, edit: (bytes: Buffer, at: number) => void): Draft {
  const inDeflated = seed.deflated && random(2) === 0
  const body = inDeflated ? deflateRawSync(seed.dataSet) : seed.dataSet
  const bytes = Buffer.concat([seed.meta, body])
  for (let edits = 1 + random(4); edits > 0; edits--)
    edit(bytes, Math.min(bytes.length - 1, random(8) === 0 ? random(bytes.length) : random(4096)))
  const [meta, dataSet] = [bytes.subarray(0, seed.meta.length), bytes.subarray(seed.meta.length)]
  return { meta, dataSet, deflate: seed.deflated && !inDeflated }
}

function place(seed: Seed, random: Random): number {
  return seed.elements[random(seed.elements.length)]!
}

function lengthReplaced(seed: Seed, random: Random): Draft {
  const dataSet = Buffer.from(seed.dataSet)
  const at = place(seed, random)
  const left = dataSet.length - at
  const length = [...LENGTHS, left, left - 8, left - 12, left + 1, random(65_536)][
    random(LENGTHS.length + 5)
  ]!
  const long = !seed.explicit || LONG_VRS.includes(dataSet.toString('latin1', at + 4, at + 6))
  const offset = at + (seed.explicit && long ? 8 : seed.explicit ? 6 : 4)
  if (offset + 4 > dataSet.length) return { ...draft(seed), dataSet }
  if (!long) dataSet.writeUInt16LE(Math.max(0, length) & 0xffff, offset)
  else if (seed.bigEndian) dataSet.writeUInt32BE(Math.max(0, length), offset)
  else dataSet.writeUInt32LE(Math.max(0, length), offset)
  return { ...draft(seed), dataSet }
}

function vrSwapped(seed: Seed, random: Random): Draft {
  const dataSet = Buffer.from(seed.dataSet)
  dataSet.write(VRS[random(VRS.length)]!, place(seed, random) + 4, 'latin1')
  return { ...draft(seed), dataSet }
}

/** The byte that exhausted the memory of a general library: 199 of a file whose meta information begins as ours does. */
function syntaxVrSwapped(seed: Seed, random: Random): Draft {
  const meta = Buffer.from(seed.meta)
  const at = meta.indexOf(Buffer.from([2, 0, 0x10, 0]), 132)
  if (at >= 0) meta.write(random(2) === 0 ? 'UN' : VRS[random(VRS.length)]!, at + 4, 'latin1')
  return { ...draft(seed), meta }
}

function inserted(seed: Seed, random: Random, piece: Buffer): Draft {
  const at = place(seed, random)
  return {
    ...draft(seed),
    dataSet: Buffer.concat([seed.dataSet.subarray(0, at), piece, seed.dataSet.subarray(at)]),
  }
}

/** Put in front, what is set is read, since the data set is not in order any more and the first element is its own. */
function replaced(seed: Seed, tag: number, vr: string, value: Buffer | string): Draft {
  const at = seed.elements.find((offset) => tagOf(seed, offset) === tag) ?? 0
  const next = seed.elements.find((offset) => offset > at) ?? seed.dataSet.length
  const from = tagOf(seed, at) === tag ? next : at
  const parts = [seed.dataSet.subarray(0, at), element(tag, vr, value, seed), seed.dataSet.subarray(from)]
  return { ...draft(seed), dataSet: Buffer.concat(parts) }
}

function tagOf({ dataSet, bigEndian }: Seed, at: number): number {
  if (at + 4 > dataSet.length) return 0
  return bigEndian
    ? dataSet.readUInt32BE(at)
    : dataSet.readUInt16LE(at) * 65_536 + dataSet.readUInt16LE(at + 2)
}

function numberReplaced(seed: Seed, random: Random): Draft {
  if (random(2) === 0) {
    const value = Buffer.alloc(2, random(2) === 0 ? 255 : random(256))
    return replaced(seed, COUNTS[random(COUNTS.length)]!, 'US', value)
  }
  const [tag, count] = NUMERIC[random(NUMERIC.length)]!
  const long = '9'.repeat(random(2) * random(3000))
  const values = Array.from({ length: count + random(2) }, () => NUMBERS[random(NUMBERS.length)]! + long)
  return replaced(seed, tag, 'DS', values.join('\\'))
}

/** Somewhere in the functional groups or the header of tiles, where there are any, else in another sequence or private value. */
function groupsLie(seed: Seed, random: Random): Draft {
  const inner = [0x52009229, 0x52009230, 0x00291010, 0x00291020, 0x00651051]
  const at = seed.elements.find((offset) => tagOf(seed, offset) === inner[random(inner.length)])
  if (at === undefined) return privateSequence(seed, random)
  const end = seed.elements.find((offset) => offset > at) ?? seed.dataSet.length
  const dataSet = Buffer.from(seed.dataSet)
  for (let edits = 1 + random(3); edits > 0; edits--) {
    const place = at + random(Math.max(1, end - at - 4))
    if (random(3) === 0) dataSet[place] = random(256)
    else if (seed.bigEndian) dataSet.writeUInt32BE(LENGTHS[random(LENGTHS.length)]!, place)
    else dataSet.writeUInt32LE(LENGTHS[random(LENGTHS.length)]!, place)
  }
  return { ...draft(seed), dataSet }
}

/** A Modality LUT or a Real World Value Mapping whose numbers do not fit each other. */
function tableLies(seed: Seed, random: Random): Draft {
  const bytes = (length: number): Buffer => Buffer.from(Array.from({ length }, () => random(256)))
  const small = (): Buffer => Buffer.from([random(9), 0])
  const value = (tag: number, vr: string, content: Buffer): Buffer => element(tag, vr, content, seed)
  const lut = [
    value(0x00283002, 'US', Buffer.concat([small(), small(), small()])),
    value(0x00283006, 'US', bytes(random(40))),
  ]
  const real = [
    value(0x00409211, 'US', bytes(2)),
    value(0x00409212, 'FD', bytes(random(40))),
    value(0x00409216, 'US', small()),
    value(0x00409224, 'FD', bytes(8)),
    value(0x00409225, 'FD', bytes(8)),
  ]
  const [tag, parts] = random(2) === 0 ? [0x00283000, lut] : [0x00409096, real]
  const item = Buffer.concat(parts.filter(() => random(8) > 0))
  const o = { encoding: seed, delimited: random(2) === 0 }
  return inserted(seed, random, sequence(tag, Array<Buffer>(random(12)).fill(item), o))
}

function textReplaced(seed: Seed, random: Random): Draft {
  const set = CHARACTER_SETS[random(CHARACTER_SETS.length)]!
  const words = Array.from({ length: random(40) * random(40) }, () => {
    const escape = random(2) === 0 ? ESCAPES[random(ESCAPES.length)]! : ' \0^=\\'[random(5)]!
    return escape + String.fromCharCode(random(256)).repeat(1 + random(3))
  })
  const text = Buffer.from(words.join(''), 'latin1')
  const middle = replaced(seed, 0x00080005, 'CS', set).dataSet
  // the same text in all of them: what is dear once must not be dear often
  const all = random(4) === 0 ? TEXTS : [TEXTS[random(TEXTS.length)]!]
  const parts = all.map((tag) => element(tag, 'LO', text, seed))
  const at = seed.elements[0] ?? 0
  return {
    ...draft(seed),
    dataSet: Buffer.concat([middle.subarray(0, at), ...parts, middle.subarray(at)]),
  }
}

function spliced(seed: Seed, random: Random, others: readonly Seed[]): Draft {
  const other = others[random(others.length)]!
  const [to, from] =
    random(2) === 0 ? [place(seed, random), place(other, random)] : [random(4096), random(4096)]
  return {
    ...draft(seed),
    dataSet: Buffer.concat([seed.dataSet.subarray(0, to), other.dataSet.subarray(from)]),
  }
}

function moved(seed: Seed, random: Random): Draft {
  const [a, b] = [place(seed, random), place(seed, random)]
  const end = seed.elements.find((offset) => offset > a) ?? seed.dataSet.length
  const piece = seed.dataSet.subarray(a, end)
  const rest = Buffer.concat([seed.dataSet.subarray(0, a), seed.dataSet.subarray(random(2) === 0 ? end : a)])
  if (random(3) === 0) return { ...draft(seed), dataSet: rest }
  return { ...draft(seed), dataSet: Buffer.concat([rest.subarray(0, b), piece, rest.subarray(b)]) }
}

function groupLength(seed: Seed, random: Random): Draft {
  const lie = Buffer.alloc(4, random(2) === 0 ? 255 : random(256))
  const meta = Buffer.from(seed.meta)
  if (meta.length > 144) lie.copy(meta, 140)
  return { ...replaced(seed, (8 + 8 * random(5)) * 65_536, 'UL', lie), meta }
}

function privateSequence(seed: Seed, random: Random): Draft {
  const inside = Buffer.concat([
    mark(ITEM, seed, random(2) === 0 ? 0xffffffff : random(200)),
    Buffer.alloc(random(200)),
  ])
  const vr = ['SQ', 'UN', 'OB', 'LO'][random(4)]!
  const length = random(2) === 0 ? 0xffffffff : inside.length + random(3) - 1
  const end = random(2) === 0 ? mark(SEQUENCE_END, seed) : Buffer.alloc(0)
  return inserted(seed, random, Buffer.concat([element(0x00091001, vr, inside, seed, length), end]))
}

function fragmentsLie(seed: Seed, random: Random): Draft {
  const pixels = fragments(1 + random(40), random(300))
  const at = 12 + random(pixels.length - 16)
  pixels.writeUInt32LE([...LENGTHS, random(65_536)][random(LENGTHS.length + 1)]!, at)
  const end = seed.elements.at(-1)!
  return { ...draft(seed), dataSet: Buffer.concat([seed.dataSet.subarray(0, end), pixels]) }
}

/** What is deflated already is not deflated again. */
function bombed(seed: Seed, random: Random): Draft {
  const meta = withSyntax(seed.meta, '1.2.840.10008.1.2.1.99')
  const of = (['zeros', 'elements', 'items'] as const)[random(4)]
  return { meta, dataSet: of === undefined ? hostile.emptyBlocks() : hostile.bomb(of), deflate: false }
}
