import { createHash, randomBytes } from 'node:crypto'
import { open, rename, unlink, type FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { MdmError } from '../errors.ts'
import { free } from '../memory.ts'
import { DirectFile } from './direct-file.ts'
import { WriteBehind } from './write-behind.ts'

/** How much was written, and the SHA-256 of it in hex. */
export interface Written {
  readonly bytes: number
  readonly sha256: string
}

const READ_BYTES = 1 << 20
const WRITE_BYTES = 1 << 20

export interface WholeFileOptions {
  /** the name until it is whole, where the caller alone uses it; what is there goes. A random one beside it unless told */
  readonly temporary?: string | undefined
  /** called when everything is written and only the disk is waited for */
  readonly onWritten?: () => void
}

/** Writes a file that appears whole or not at all: another name beside it, fsync, rename, fsync of the folder. */
export async function writeWhole(
  path: string,
  content: AsyncIterable<Buffer>,
  o: WholeFileOptions = {},
): Promise<Written> {
  const temporary =
    o.temporary ?? join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`)
  await unlink(temporary).catch(() => {})
  const file = await DirectFile.create(temporary)
  const behind = new WriteBehind(file, { pieceBytes: WRITE_BYTES, whenFull: true })
  try {
    const written = await copy(content, (chunk) => behind.put(chunk))
    o.onWritten?.()
    await behind.flush()
    await file.sync()
    await file.close()
    await rename(temporary, path)
    await syncFolder(path)
    return written
  } catch (error) {
    await behind.stop()
    await file.close().catch(() => {})
    await unlink(temporary).catch(() => {})
    throw error
  }
}

/** Gives a finished file its name for good. */
export async function keepWhole(file: FileHandle, from: string, to: string): Promise<Written> {
  const written = await copy(readingFrom(file), async () => {}, false)
  await file.sync()
  await rename(from, to)
  await syncFolder(to)
  return written
}

/** Writes to a stream, such as stdout, as fast as its reader takes it. @throws MDM_UNREACHABLE when the reader went away */
export async function writeStream(out: Writable, content: AsyncIterable<Buffer>): Promise<Written> {
  const { sink, written } = streamSink(out)
  for await (const chunk of content) await sink(chunk)
  return written()
}

/** The same for whoever hands over chunk by chunk; the stream keeps copies, so a chunk may be used again at once. */
export function streamSink(out: Writable): {
  sink: (chunk: Buffer) => Promise<void>
  written: () => Written
} {
  const hash = createHash('sha256')
  let bytes = 0
  const sink = async (chunk: Buffer) => {
    hash.update(chunk)
    bytes += chunk.length
    if (!out.write(Buffer.from(chunk))) await drained(out)
  }
  return { sink, written: () => ({ bytes, sha256: hash.digest('hex') }) }
}

/**
 * The bytes of an open file from its start, the next piece being read while one is used. All pieces but the first are in two
 * buffers: each is valid until the next is asked for, as decryptContainer needs it.
 */
export async function* readingFrom(file: FileHandle): AsyncGenerator<Buffer> {
  // Readers keep parts of a header, so what holds one is never written again.
  const first = Buffer.alloc(65_536)
  const { bytesRead } = await file.read(first, 0, first.length, 0)
  if (bytesRead === 0) return
  let [used, free] = [Buffer.allocUnsafeSlow(READ_BYTES), Buffer.allocUnsafeSlow(READ_BYTES)]
  let position = bytesRead
  let next = readAhead(file, free, position)
  try {
    yield first.subarray(0, bytesRead)
    for (;;) {
      const { bytesRead } = await next
      if (bytesRead === 0) return
      position += bytesRead
      ;[used, free] = [free, used]
      next = readAhead(file, free, position)
      yield used.subarray(0, bytesRead)
    }
  } finally {
    // The file may be closed when this has ended, so nothing is being read then.
    await next.catch(() => undefined)
  }
}

/** A read whose fault waits until somebody asks for what it read. */
function readAhead(file: FileHandle, into: Buffer, position: number) {
  const read = file.read(into, 0, into.length, position)
  read.catch(() => undefined)
  return read
}

async function copy(
  content: AsyncIterable<Buffer>,
  write: (chunk: Buffer) => Promise<unknown>,
  consumed = true,
): Promise<Written> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of content) {
    hash.update(chunk)
    bytes += chunk.length
    await write(chunk)
    if (consumed) free(chunk)
  }
  return { bytes, sha256: hash.digest('hex') }
}

/** Makes the name of a file or folder survive a power failure. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(dirname(path), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

async function drained(out: Writable): Promise<void> {
  const settled = new AbortController()
  const drain = new Promise<void>((resolve) => out.once('drain', resolve))
  const end = finished(out, { readable: false, signal: settled.signal }).catch(() => {})
  await Promise.race([drain, end])
  settled.abort()
  if (out.destroyed || out.errored !== null) {
    throw new MdmError('MDM_UNREACHABLE', 'the reader of the output went away')
  }
}
