import { createReadStream } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { MdmError } from '../errors.ts'
import type { Needle } from './needles.ts'
import { createScanner, type Hit } from './scan-bytes.ts'

/** A hit and where it is: in the bytes of a file, in what its gzip members hold, or in its name. */
export interface Finding extends Hit {
  readonly path: string
  readonly inside: 'file' | 'gzip' | 'name'
}

export interface ScanOptions {
  readonly needles: readonly Needle[]
  /** also look for what names a person by its form */
  readonly patterns: boolean
  readonly signal?: AbortSignal | undefined
  /** told of each file that was read to its end */
  readonly scanned?: (path: string, bytes: number) => void
}

const PIECE_BYTES = 1 << 20

/**
 * Looks into files, and into all files of folders, links left aside; each file is read once, in pieces. What gzip packs is unpacked and
 * looked into as well.
 *
 * @throws MDM_FILE for what cannot be read
 */
export async function* scanPaths(paths: readonly string[], o: ScanOptions): AsyncGenerator<Finding> {
  for (const path of paths) yield* scanPath(path, o)
}

async function* scanPath(path: string, o: ScanOptions): AsyncGenerator<Finding> {
  o.signal?.throwIfAborted()
  const found = await lstat(path).catch(unreadable)
  for (const hit of hitsIn(Buffer.from(basename(path)), o)) yield { ...hit, path, inside: 'name' }
  if (found.isDirectory()) {
    for (const name of (await readdir(path).catch(unreadable)).toSorted())
      yield* scanPath(join(path, name), o)
  } else if (found.isFile()) {
    const magic = yield* scanStream(createReadStream(path, { highWaterMark: PIECE_BYTES }), path, 'file', o)
    if (magic.readUInt16BE(0) !== 0x1f8b) return
    const packed = createReadStream(path, { highWaterMark: PIECE_BYTES })
    const unpacked = packed.pipe(createGunzip({ chunkSize: PIECE_BYTES }))
    packed.on('error', (error) => unpacked.destroy(error))
    try {
      yield* scanStream(unpacked, path, 'gzip', o)
    } catch (error) {
      o.signal?.throwIfAborted()
      // Two bytes may look like gzip; what is cut short was looked into as far as it goes.
      if (!String((error as NodeJS.ErrnoException).code).startsWith('Z_')) throw error
    } finally {
      packed.destroy()
    }
  }
}

/** @returns its first two bytes, 0 where there are none */
async function* scanStream(
  stream: Readable,
  path: string,
  inside: 'file' | 'gzip',
  o: ScanOptions,
): AsyncGenerator<Finding, Buffer> {
  const scanner = createScanner(o.needles, o)
  const told = (hits: Hit[]): Finding[] => hits.map((hit) => ({ ...hit, path, inside }))
  const magic = Buffer.alloc(2)
  let bytes = 0
  try {
    for await (const piece of stream as AsyncIterable<Buffer>) {
      o.signal?.throwIfAborted()
      if (bytes === 0) piece.copy(magic)
      bytes += piece.length
      yield* told(scanner.push(piece))
    }
  } catch (error) {
    if (inside === 'gzip') throw error
    o.signal?.throwIfAborted()
    unreadable(error)
  } finally {
    stream.destroy()
  }
  yield* told(scanner.end())
  if (inside === 'file') o.scanned?.(path, bytes)
  return magic
}

/** All that is in some bytes. */
export function hitsIn(bytes: Buffer, o: Pick<ScanOptions, 'needles' | 'patterns'>): Hit[] {
  const scanner = createScanner(o.needles, o)
  return [...scanner.push(bytes), ...scanner.end()]
}

function unreadable(cause: unknown): never {
  throw new MdmError('MDM_FILE', 'a file or folder to be looked into cannot be read', { cause })
}
