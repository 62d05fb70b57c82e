import { createHash } from 'node:crypto'
import { createGunzip, createGzip } from 'node:zlib'
import { pipeline, Readable } from 'node:stream'
import { z } from 'zod'
import { MdmError } from '@mdm/core/errors'

/** What is inside a backup: lines of JSON, gzip, then age. docs/formats/backup.md has the rules. */
const Value = z.union([z.string(), z.number(), z.null(), z.strictObject({ b: z.base64() })])
export type Value = z.infer<typeof Value>

const Name = z.string().regex(/^(?:rosters\/)?[a-z0-9][a-z0-9.-]{0,63}$/)

const Entry = z.discriminatedUnion('is', [
  z.strictObject({
    is: z.literal('backup'),
    v: z.literal(1),
    kind: z.enum(['site', 'keys']),
    created: z.iso.datetime(),
    /** names of the migrations the store has had */
    schema: z.array(z.string().max(64)).max(1000),
  }),
  /** A piece of a file; pieces of one name follow one another. */
  z.strictObject({ is: z.literal('file'), name: Name, secret: z.boolean(), data: z.base64() }),
  z.strictObject({
    is: z.literal('rows'),
    table: z.string().regex(/^[a-z_]{1,32}$/),
    columns: z.array(z.string().regex(/^[a-z0-9_]{1,64}$/)).max(64),
    rows: z.array(z.array(Value)).max(1000),
  }),
  /** Last line: SHA-256 of all lines before it. */
  z.strictObject({
    is: z.literal('end'),
    entries: z.int().min(1),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
  }),
])
export type Entry = z.infer<typeof Entry>
export type Head = Extract<Entry, { is: 'backup' }>

/** A line holds a page of rows or a piece of a file; longer is not ours. */
const MAX_LINE = 64 * 1024 * 1024

/** Writes entries as lines, with the end line, compressed. */
export async function* pack(entries: AsyncIterable<Entry>): AsyncGenerator<Uint8Array> {
  const zipped = createGzip()
  // The end of either side, good or bad, is the end of both; a fault comes out of the loop below.
  pipeline(Readable.from(lines(entries), { objectMode: false }), zipped, () => undefined)
  for await (const chunk of zipped as AsyncIterable<Buffer>) yield chunk
}

/**
 * Reads entries; the first is `backup`, `end` is not given out: all before it was whole when the loop ends.
 *
 * @throws MDM_INTEGRITY when anything is not of the form, altered or cut short
 */
export async function* unpack(plaintext: Readable): AsyncGenerator<Exclude<Entry, { is: 'end' }>> {
  const digest = createHash('sha256')
  let entries = 0
  let ended = false
  for await (const line of splitLines(plaintext)) {
    if (ended) throw broken()
    const entry = parse(line)
    if (entry.is === 'end') {
      if (entry.entries !== entries || entry.sha256 !== digest.digest('hex')) throw broken()
      ended = true
      continue
    }
    if ((entry.is === 'backup') !== (entries === 0)) throw broken()
    entries++
    digest.update(`${line}\n`)
    yield entry
  }
  if (!ended) throw broken()
}

async function* lines(entries: AsyncIterable<Entry>): AsyncGenerator<Buffer> {
  const digest = createHash('sha256')
  let count = 0
  for await (const entry of entries) {
    const line = Buffer.from(`${JSON.stringify(entry)}\n`)
    digest.update(line)
    count++
    yield line
  }
  yield Buffer.from(`${JSON.stringify({ is: 'end', entries: count, sha256: digest.digest('hex') })}\n`)
}

async function* splitLines(plaintext: Readable): AsyncGenerator<string> {
  let pieces: Buffer[] = []
  let length = 0
  const unzipped = createGunzip()
  pipeline(plaintext, unzipped, () => undefined)
  try {
    for await (const chunk of unzipped as AsyncIterable<Buffer>) {
      let from = 0
      for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
        yield Buffer.concat([...pieces, chunk.subarray(from, end)]).toString('utf8')
        pieces = []
        length = 0
        from = end + 1
      }
      pieces.push(chunk.subarray(from))
      length += chunk.length - from
      if (length > MAX_LINE) throw broken()
    }
  } catch (cause) {
    throw cause instanceof MdmError ? cause : broken(cause)
  } finally {
    plaintext.destroy()
  }
  if (length > 0) throw broken()
}

function parse(line: string): Entry {
  try {
    return Entry.parse(JSON.parse(line))
  } catch (cause) {
    throw broken(cause)
  }
}

function broken(cause?: unknown): MdmError {
  return new MdmError('MDM_INTEGRITY', 'the backup is altered, cut short, or of another version', { cause })
}
