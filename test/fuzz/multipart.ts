/** Alters multipart replies at random and holds the splitter to what it must keep: `node --conditions=@mdm/source test/fuzz/multipart.ts N [SEED]`. */
import { MdmError } from '@mdm/core/errors'
import { faultsOf } from '@mdm/server/dicom/dicomweb/faults'
import { readParts } from '@mdm/server/dicom/dicomweb/multipart'
import { generator, type Random } from '../fixtures/random.ts'

const BOUNDARY = 'fuzz-boundary'
const MAX_PARTS = 40
const fault = faultsOf('pacs')

export interface MultipartTally {
  /** read to the end: its parts are those that were written */
  whole: number
  /** read to the end, but as other parts: what was altered is a message too */
  other: number
  refused: number
  /** neither: another error, more bytes than came, or an unaltered message that is not read as written */
  broken: string[]
  /** most milliseconds of processor that one message took */
  slowestMs: number
}

/** Bytes that matter to a splitter, to be put anywhere. */
const TOKENS = [
  '\r',
  '\n',
  '\r\n',
  '--',
  '\r\n--',
  `\r\n--${BOUNDARY}`,
  `--${BOUNDARY}--`,
  '\r\n\r\n',
  ':',
  ' ',
  '\0',
]
const HEADS = ['', 'Content-Type: application/dicom\r\n', 'MIME-Version: 1.0\r\n']

/** Writes and alters `count` messages; the same seed gives the same ones. */
export async function fuzzMultipart(count: number, seed: number): Promise<MultipartTally> {
  const random = generator(seed)
  const tally: MultipartTally = { whole: 0, other: 0, refused: 0, broken: [], slowestMs: 0 }
  for (let n = 0; n < count; n++) {
    const bodies = Array.from({ length: random(5) }, () => bodyOf(random))
    const written = messageOf(bodies, random)
    const alterations = random(5)
    let bytes = written
    for (let k = 0; k < alterations; k++) bytes = altered(bytes, random)
    const began = process.threadCpuUsage()
    await tryOne({
      bodies,
      bytes,
      isAltered: !bytes.equals(written),
      random,
      tally,
      name: `seed ${seed} case ${n}`,
    })
    const { user, system } = process.threadCpuUsage(began)
    tally.slowestMs = Math.max(tally.slowestMs, (user + system) / 1000)
  }
  return tally
}

async function tryOne({
  bodies,
  bytes,
  isAltered,
  random,
  tally,
  name,
}: {
  bodies: Buffer[]
  bytes: Buffer
  isAltered: boolean
  random: Random
  tally: MultipartTally
  name: string
}): Promise<void> {
  const found: Buffer[] = []
  let given = 0
  try {
    for await (const { body } of readParts(cutUp(bytes, random), BOUNDARY, { fault, maxParts: MAX_PARTS })) {
      if (random(8) === 0) {
        found.push(Buffer.from('passed over'))
        continue
      }
      const pieces: Buffer[] = []
      for await (const piece of body) {
        given += piece.length
        pieces.push(Buffer.from(piece))
      }
      found.push(Buffer.concat(pieces))
    }
  } catch (error) {
    if (!(error instanceof MdmError)) tally.broken.push(`${name}: ${String(error)}`)
    else if (!isAltered) tally.broken.push(`${name}: refused as it was written`)
    else tally.refused++
    return
  }
  const same =
    found.length === bodies.length &&
    found.every((body, k) => body.equals(bodies[k]!) || body.equals(Buffer.from('passed over')))
  if (given > bytes.length) tally.broken.push(`${name}: more bytes than came`)
  else if (same) tally.whole++
  else if (isAltered) tally.other++
  else tally.broken.push(`${name}: other parts than were written`)
}

/** In chunks of any size. */
async function* cutUp(bytes: Buffer, random: Random): AsyncGenerator<Buffer> {
  const largest = [1, 3, 20, 200, 100_000][random(5)]!
  for (let at = 0; at < bytes.length;) {
    const size = 1 + random(largest)
    yield bytes.subarray(at, at + size)
    at += size
  }
}

function bodyOf(random: Random): Buffer {
  const bytes = Buffer.from(Array.from({ length: random(200) }, () => random(256)))
  // Near a boundary, but never one.
  return random(2) === 0 ? bytes : Buffer.concat([bytes, Buffer.from('\r\n--fuzz-bound'), bytes])
}

function messageOf(bodies: readonly Buffer[], random: Random): Buffer {
  const parts = bodies.flatMap((body) => {
    const length = random(2) === 0 ? `Content-Length: ${body.length}\r\n` : ''
    return [`--${BOUNDARY}\r\n${HEADS[random(HEADS.length)]}${length}\r\n`, body, '\r\n']
  })
  const all = [
    random(4) === 0 ? 'preamble\r\n' : '',
    ...parts,
    `--${BOUNDARY}--`,
    random(2) === 0 ? '\r\n' : '',
  ]
  return Buffer.concat(all.map((part) => Buffer.from(part as string, 'latin1')))
}

function altered(bytes: Buffer, random: Random): Buffer {
  const at = random(bytes.length + 1)
  const before = bytes.subarray(0, at)
  const after = bytes.subarray(at)
  const kind = random(6)
  if (kind === 0) return before
  if (kind === 1) return Buffer.concat([before, after.subarray(random(40))])
  if (kind === 2) return Buffer.concat([before, Buffer.from(TOKENS[random(TOKENS.length)]!, 'latin1'), after])
  if (kind === 3) return Buffer.concat([before, Buffer.from([random(256)]), after.subarray(1)])
  if (kind === 4) return Buffer.concat([before, bytes.subarray(random(bytes.length + 1))])
  return Buffer.concat([before, Buffer.from(String(random(1e9))), after])
}

if (import.meta.main) {
  const [count = '10000', seed = String(Math.floor(Math.random() * 2 ** 31))] = process.argv.slice(2)
  const { broken, ...tally } = await fuzzMultipart(Number(count), Number(seed))
  console.log(JSON.stringify({ cases: Number(count), seed: Number(seed), ...tally, broken: broken.length }))
  for (const fault of broken.slice(0, 20)) console.log(fault)
  if (broken.length > 0) process.exitCode = 1
}
