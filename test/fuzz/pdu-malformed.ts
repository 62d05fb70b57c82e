/** What can be wrong with a conversation: alterations of a good one, and constructions that aim at a cost. */
import { encodePdu, PDU } from '@mdm/server/dicom/dimse/pdu'
import type { Random } from '../fixtures/random.ts'
import { dataPdu } from './pdu-conversations.ts'

type Talk = readonly Buffer[]
type Malform = (talk: Talk, random: Random) => Buffer[]

/** Lengths that are wrong in a way that somebody once forgot. */
const LENGTHS = [
  0, 1, 2, 3, 5, 0x7f, 0xff, 0xffff, 0x10000, 0x10001, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
]

const KINDS: Readonly<Record<string, { percent: number; make: Malform }>> = {
  'bits flipped': { percent: 20, make: (talk, random) => altered(talk, random, flipBits) },
  'bytes set': { percent: 10, make: (talk, random) => altered(talk, random, setBytes) },
  'PDU length': {
    percent: 8,
    make: (talk, random) => altered(talk, random, (pdu) => setLength(pdu, 2, random)),
  },
  'fragment length': {
    percent: 8,
    make: (talk, random) => altered(talk, random, (pdu) => setLength(pdu, 6, random)),
  },
  'some length inside': {
    percent: 12,
    make: (talk, random) => altered(talk, random, (pdu) => setLength(pdu, 6 + random(pdu.length), random)),
  },
  'type, context or control': {
    percent: 8,
    make: (talk, random) => altered(talk, random, (pdu) => void (pdu[[0, 10, 11][random(3)]!] = random(256))),
  },
  'PDU left out': { percent: 4, make: (talk, random) => talk.toSpliced(random(talk.length), 1) },
  'PDU twice': { percent: 3, make: (talk, random) => inserted(talk, random, talk[random(talk.length)]!) },
  'PDUs exchanged': { percent: 4, make: exchanged },
  'cut short': { percent: 7, make: cutShort },
  'bytes put in': {
    percent: 3,
    make: (talk, random) => inserted(talk, random, noise(random, 1 + random(300))),
  },
  'noise alone': { percent: 2, make: (_, random) => [noise(random, 1 + random(5_000))] },
  'in odd pieces': {
    percent: 5,
    make: (talk, random) => pieces(Buffer.concat(altered(talk, random, flipBits)), random),
  },
  'ten thousand empty fragments': {
    percent: 2,
    make: (talk, random) => inserted(talk, random, emptyFragments()),
  },
  'items without end': { percent: 1, make: manyItems },
  'command of small elements': {
    percent: 1,
    make: (talk, random) => inserted(talk, random, smallElements(true)),
  },
  'identifier of small elements': {
    percent: 1,
    make: (talk, random) => hostileIdentifier(talk, random, smallElements(false)),
  },
  'identifier of sequences': {
    percent: 0.5,
    make: (talk, random) => hostileIdentifier(talk, random, nested()),
  },
  'text of escapes': { percent: 0.5, make: (talk, random) => hostileIdentifier(talk, random, escapes()) },
}

/** @returns the name of what was done, and what is to be written, piece by piece */
export function malform(talk: Talk, random: Random): [kind: string, writes: Buffer[]] {
  let left = random(1_000) / 10
  for (const [name, { percent, make }] of Object.entries(KINDS)) {
    if (left < percent) {
      const writes = make(talk, random)
      // in one piece mostly: a server sees what the network makes of it
      return [name, name === 'in odd pieces' || random(4) === 0 ? writes : [Buffer.concat(writes)]]
    }
    left -= percent
  }
  throw new Error('the shares do not sum to a hundred')
}

function altered(talk: Talk, random: Random, alter: (pdu: Buffer, random: Random) => void): Buffer[] {
  const at = random(talk.length)
  const pdu = Buffer.from(talk[at]!)
  alter(pdu, random)
  return talk.with(at, pdu)
}

/** Mostly in the first 200 bytes, where what is read as structure lies. */
function somewhere(pdu: Buffer, random: Random): number {
  return random(random(4) === 0 ? pdu.length : Math.min(pdu.length, 200))
}

function flipBits(pdu: Buffer, random: Random): void {
  for (let flips = 1 + random(4); flips > 0; flips--) pdu[somewhere(pdu, random)]! ^= 1 << random(8)
}

function setBytes(pdu: Buffer, random: Random): void {
  for (let bytes = 1 + random(4); bytes > 0; bytes--)
    pdu[somewhere(pdu, random)] = [0, 1, 0x7f, 0x80, 0xff, random(256)][random(6)]!
}

function setLength(pdu: Buffer, at: number, random: Random): void {
  const length = LENGTHS[random(LENGTHS.length)]!
  const place = Math.min(at, pdu.length - 4)
  const kind = random(4)
  if (kind === 0) pdu.writeUInt32BE(length, place)
  else if (kind === 1) pdu.writeUInt32LE(length, place)
  else if (kind === 2) pdu.writeUInt16BE(length & 0xffff, place)
  else pdu.writeUInt32BE((pdu.readUInt32BE(place) + [1, -1, 4, -4][random(4)]!) >>> 0, place)
}

function inserted(talk: Talk, random: Random, ...bytes: Buffer[]): Buffer[] {
  return talk.toSpliced(1 + random(talk.length), 0, ...bytes)
}

function exchanged(talk: Talk, random: Random): Buffer[] {
  const [a, b] = [random(talk.length), random(talk.length)]
  return talk.with(a, talk[b]!).with(b, talk[a]!)
}

function cutShort(talk: Talk, random: Random): Buffer[] {
  const whole = Buffer.concat(talk)
  return [whole.subarray(0, random(whole.length))]
}

function noise(random: Random, bytes: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: bytes }, () => random(256)))
}

function pieces(bytes: Buffer, random: Random): Buffer[] {
  const found: Buffer[] = []
  const most = 1 + random(3_000)
  for (let at = 0; at < bytes.length && found.length < 30; at += found.at(-1)!.length)
    found.push(bytes.subarray(at, at + 1 + random(most)))
  return found
}

/** 10,900 fragments of no byte in one PDU. */
function emptyFragments(): Buffer {
  return encodePdu(PDU.data, Buffer.alloc(65_400, Buffer.from('000000020300', 'hex')))
}

/** An A-ASSOCIATE of the longest length that is nothing but items. */
function manyItems(talk: Talk, random: Random): Buffer[] {
  const item = [
    Buffer.from('99000000', 'hex'),
    Buffer.from('20000004010000ff', 'hex'),
    Buffer.from('50000000', 'hex'),
  ]
  const repeated = item[random(item.length)]!
  const body = Buffer.alloc((256 << 10) - 68, repeated)
  return [
    encodePdu(talk[0]![0]!, Buffer.concat([talk[0]!.subarray(6, 74), body.subarray(0, body.length & ~7)])),
  ]
}

/** 64 KiB of elements of no byte: group 0000 for a command, 0010,0010 for an identifier. */
function smallElements(isCommand: boolean): Buffer {
  const element = Buffer.from(isCommand ? '0000020900000000' : '10001000504e0000', 'hex')
  return dataPdu(isCommand ? 3 : 1, isCommand, true, Buffer.alloc(65_520, element))
}

/** Sequences of undefined length, one in the other as far as they go. */
function nested(): Buffer {
  const sequence = Buffer.concat([
    Buffer.from('08001011', 'hex'),
    Buffer.from('SQ\0\0'),
    Buffer.from('fffffffffeff00e0ffffffff', 'hex'),
  ])
  return dataPdu(1, false, true, Buffer.alloc(65_520 - (65_520 % sequence.length), sequence))
}

/** A patient's name that changes its character set with every letter. */
function escapes(): Buffer {
  const letter = Buffer.from('1b2d46e01b2d41e5', 'hex')
  const header = Buffer.from('10001000504ef0ff', 'hex')
  return dataPdu(1, false, true, Buffer.concat([header, Buffer.alloc(65_520 - 8, letter), Buffer.alloc(8)]))
}

/** In place of the first identifier of a match, or of an object. */
function hostileIdentifier(talk: Talk, random: Random, bytes: Buffer): Buffer[] {
  const data = talk.findIndex((pdu) => pdu[0] === PDU.data && pdu[11] === 2)
  return random(8) === 0 ? inserted(talk, random, bytes) : talk.with(data, bytes)
}
