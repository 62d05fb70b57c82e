import { MdmError } from '@mdm/core/errors'
import { Readable } from 'node:stream'
import { createInflateRaw } from 'node:zlib'
import { Gathered } from './gathered.ts'
import type { StoredBytes } from './stored-bytes.ts'

/** Bytes inflated at once. */
const CHUNK_BYTES = 256 * 1024

/**
 * A deflated object as if it were not: what stands before its data set, and the data set inflated, but no further than asked.
 *
 * @param from where the deflated data set begins
 * @param end  where to stop, once inflated; so much is held in memory
 * @throws MDM_DICOM when it cannot be inflated, or ends before that
 * @see DICOM PS3.5 section A.5
 */
export async function inflated(bytes: StoredBytes, from: number, end: number): Promise<StoredBytes> {
  const all = new Gathered()
  if (from > 0) all.add(await bytes.read(0, from))
  const deflated = Readable.from(chunksOf(bytes, from))
  const inflate = createInflateRaw({ chunkSize: CHUNK_BYTES })
  deflated.on('error', (error) => inflate.destroy(error)).pipe(inflate)
  try {
    for await (const chunk of inflate) {
      all.add(chunk as Buffer)
      if (all.length >= end) break
    }
  } catch {
    // What the library says is of no use to anybody; that something is missing shows below.
  } finally {
    deflated.destroy()
    inflate.destroy()
  }
  bytes.passed(bytes.length)
  if (all.length < end) throw new MdmError('MDM_DICOM', 'a deflated object is malformed or cut short')
  return all
}

async function* chunksOf(bytes: StoredBytes, from: number): AsyncGenerator<Buffer> {
  for (let at = from; at < bytes.length; at += CHUNK_BYTES)
    yield await bytes.read(at, Math.min(bytes.length, at + CHUNK_BYTES))
}
