/** Alters containers at random and counts what the reader takes: `node --conditions=@mdm/source test/fuzz/container.ts N [SEED]`. */
import { randomBytes, randomInt } from 'node:crypto'
import { FRAME_BYTES, frameSpan } from '@mdm/core/crypto/container/profile'
import { decryptContainer, parseContainerHeader } from '@mdm/core/crypto/container/reader'
import { MdmError } from '@mdm/core/errors'
import { newGuid } from '@mdm/core/names'
import { randomKey, sampleContext, seal } from '../core/crypto/container-samples.ts'
import { generator, type Random } from '../fixtures/random.ts'

/** A sealed container, cut into header and frame records. */
interface Sample {
  readonly container: Buffer
  readonly records: readonly Buffer[]
  readonly plaintext: Buffer
}

/** One altered container as the pieces that a reader gets; `undo` mends what was altered in place. */
interface Tampering {
  readonly pieces: readonly Uint8Array[]
  readonly undo?: () => void
}

export interface Tally {
  /** read to the end without an error: must be 0 */
  accepted: number
  /** another error than MDM_CONTAINER or MDM_COMMITMENT, or a plaintext that was never sealed: must be 0 */
  broken: number
  refused: number
  readonly kinds: Record<string, number>
}

/** What can be done to a container, with its share of a hundred. `others` are under the same key and of the same shape. */
const KINDS: Record<
  string,
  { percent: number; make: (s: Sample, others: readonly Sample[], r: Random) => Tampering }
> = {
  'bit flipped': { percent: 64, make: (s, _, r) => flip(s, r(s.container.length * 8)) },
  'bit of the header flipped': { percent: 10, make: (s, _, r) => flip(s, r(s.records[0]!.length * 8)) },
  'record dropped': {
    percent: 3,
    make: (s, _, r) => ({ pieces: s.records.toSpliced(r(s.records.length), 1) }),
  },
  'records swapped': { percent: 3, make: (s, _, r) => swapped(s, r) },
  'record twice': {
    percent: 3,
    make: (s, _, r) => inserted(s, r(s.records.length + 1), s.records[r(s.records.length)]!),
  },
  'cut short': {
    percent: 3,
    make: (s, _, r) => ({ pieces: [s.container.subarray(0, r(s.container.length))] }),
  },
  'cut between frames': {
    percent: 2,
    make: (s, _, r) => ({ pieces: s.records.slice(0, r(s.records.length)) }),
  },
  'bytes behind the end': {
    percent: 2,
    make: (s, _, r) => ({ pieces: [s.container, randomBytes(1 + r(40))] }),
  },
  'bytes put in': { percent: 2, make: (s, _, r) => putIn(s, r(s.container.length), randomBytes(1 + r(40))) },
  'bytes taken out': { percent: 2, make: (s, _, r) => takenOut(s, r(s.container.length), 1 + r(40)) },
  'record of another container': {
    percent: 4,
    make: (s, others, r) => spliced(s, others[r(others.length)]!, r(s.records.length)),
  },
  'record of another container put in': {
    percent: 1,
    make: (s, others, r) =>
      inserted(s, r(s.records.length + 1), others[r(others.length)]!.records[r(s.records.length)]!),
  },
  'body of another container': {
    percent: 1,
    make: (s, others, r) => ({ pieces: [s.records[0]!, ...others[r(others.length)]!.records.slice(1)] }),
  },
}

/** Plaintext lengths: most are small and quick; the others have every kind of frame. */
const LENGTHS = [0, 1, 100, 100, 100, 100, 200, FRAME_BYTES, 2 * FRAME_BYTES + 50]

/** Alters containers `count` times; the same seed makes the same choices. */
export async function tamper(
  count: number,
  seed: number,
  progress: (done: number) => void = () => {},
): Promise<Tally> {
  const random = generator(seed)
  const fileKey = randomKey()
  const context = sampleContext(0)
  const shapes = await Promise.all(
    LENGTHS.map(async (plaintextBytes) => {
      const make = async (changes: object) => {
        const plaintext = randomBytes(plaintextBytes)
        return cut(await seal({ ...context, plaintextBytes, ...changes }, fileKey, plaintext), plaintext)
      }
      return {
        sample: await make({}),
        others: [await make({}), await make({ guid: newGuid() }), await make({ version: 2 })],
      }
    }),
  )
  const tally: Tally = { accepted: 0, broken: 0, refused: 0, kinds: {} }
  for (let done = 1; done <= count; done++) {
    const { sample, others } = shapes[random(shapes.length)]!
    const kind = choose(random(100))
    const { pieces, undo } = KINDS[kind]!.make(sample, others, random)
    const outcome = await read(pieces, sample, fileKey, context)
    undo?.()
    tally[outcome]++
    tally.kinds[kind] = (tally.kinds[kind] ?? 0) + 1
    if (done % 1_000_000 === 0) progress(done)
  }
  return tally
}

async function read(
  pieces: readonly Uint8Array[],
  { plaintext }: Sample,
  fileKey: ReturnType<typeof randomKey>,
  expected: ReturnType<typeof sampleContext>,
): Promise<'accepted' | 'refused' | 'broken'> {
  async function* stream() {
    yield* pieces
  }
  let at = 0
  try {
    for await (const part of decryptContainer(stream(), async () => ({ fileKey, expected }))) {
      if (!part.equals(plaintext.subarray(at, (at += part.length)))) return 'broken'
    }
    return 'accepted'
  } catch (error) {
    const known =
      error instanceof MdmError && (error.code === 'MDM_CONTAINER' || error.code === 'MDM_COMMITMENT')
    return known ? 'refused' : 'broken'
  }
}

function cut(container: Buffer, plaintext: Buffer): Sample {
  const { headerBytes, frames } = parseContainerHeader(container)!
  const bodies = Array.from({ length: frames }, (_, i) => frameSpan(headerBytes, plaintext.length, i + 1))
  return {
    container,
    plaintext,
    records: [
      container.subarray(0, headerBytes),
      ...bodies.map(({ start, end }) => container.subarray(start, end)),
    ],
  }
}

function flip({ container }: Sample, bit: number): Tampering {
  const undo = () => {
    container[bit >> 3]! ^= 1 << (bit & 7)
  }
  undo()
  return { pieces: [container], undo }
}

function swapped({ records }: Sample, random: Random): Tampering {
  const a = random(records.length)
  const b = (a + 1 + random(records.length - 1)) % records.length
  return { pieces: records.map((record, i) => (i === a ? records[b]! : i === b ? records[a]! : record)) }
}

const inserted = ({ records }: Sample, at: number, record: Buffer): Tampering => ({
  pieces: records.toSpliced(at, 0, record),
})

const spliced = ({ records }: Sample, other: Sample, at: number): Tampering => ({
  pieces: records.with(at, other.records[at]!),
})

const putIn = ({ container }: Sample, at: number, bytes: Buffer): Tampering => ({
  pieces: [container.subarray(0, at), bytes, container.subarray(at)],
})

const takenOut = ({ container }: Sample, at: number, length: number): Tampering => ({
  pieces: [container.subarray(0, at), container.subarray(at + length)],
})

function choose(percent: number): string {
  let left = percent
  for (const [name, kind] of Object.entries(KINDS)) {
    if (left < kind.percent) return name
    left -= kind.percent
  }
  throw new Error('the shares do not sum to a hundred')
}

if (import.meta.main) {
  const [count = '10000000', seed = String(randomInt(2 ** 32))] = process.argv.slice(2)
  console.error(`${count} tamperings, seed ${seed}`)
  const tally = await tamper(Number(count), Number(seed), (done) => console.error(`${done} done`))
  console.log(JSON.stringify(tally))
  process.exitCode = tally.accepted + tally.broken === 0 ? 0 : 1
}
