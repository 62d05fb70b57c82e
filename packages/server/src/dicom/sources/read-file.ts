import { MdmError } from '@mdm/core/errors'
import { free } from '@mdm/core/memory'
import type { FileHandle } from 'node:fs/promises'
import { MAX_HEADER_BYTES, readFileMeta, readHeaderInTurns } from '../part10/index.ts'
import type { StoredBytes } from '../pixels/stored-bytes.ts'
import type { InstanceHeader, StoredObject } from '../source.ts'
import { openBelow, type FoundFile } from './walk.ts'

const FIRST_READ = 64 * 1024
/** Bytes of an object read at once. */
const CHUNK_BYTES = 256 * 1024
/** So much at once of what is read in smaller parts. */
const STRETCH_BYTES = 4 * 1024 * 1024

/** Uses a file of a folder, and closes it; undefined where there is none. */
export async function withFile<T>(
  root: string,
  path: string,
  use: (file: FileHandle) => Promise<T>,
): Promise<T | undefined> {
  const file = await openBelow(root, path)
  if (file === undefined) return undefined
  try {
    return await use(file)
  } finally {
    await file.close()
  }
}

/** @throws MDM_DICOM */
export async function readFileHeader(file: FileHandle): Promise<InstanceHeader | undefined> {
  const { size } = await file.stat()
  for (let bytes = Math.min(FIRST_READ, size); ; bytes = Math.min(bytes * 4, size, MAX_HEADER_BYTES)) {
    const start = await readSpan(file, 0, bytes)
    const header = await readHeaderInTurns(start, size)
    free(start)
    if (header !== 'more') return header
  }
}

/**
 * A file as the bytes of an object. It is open only while it is read, so that a reader who leaves, or never comes back, holds
 * nothing; small parts come out of a stretch that was read at once. `read` throws MDM_DICOM when the file has changed.
 */
export function fileBytes(root: string, file: FoundFile): StoredBytes {
  let stretch: { start: number; bytes: Buffer } = { start: 0, bytes: Buffer.alloc(0) }
  const load = async (start: number, end: number): Promise<Buffer> => {
    const bytes = await withFile(root, file.path, async (opened) => {
      const { ino, size, mtimeMs } = await opened.stat()
      const same = ino === file.inode && size === file.bytes && mtimeMs === file.modified
      return same ? await readSpan(opened, start, end) : undefined
    })
    if (bytes === undefined) throw new MdmError('MDM_DICOM', 'the file has changed')
    return bytes
  }
  return {
    length: file.bytes,
    async read(start, end) {
      const isMost = 2 * (end - start) >= Math.min(STRETCH_BYTES, file.bytes - start)
      const isHeld = start >= stretch.start && end <= stretch.start + stretch.bytes.length
      if (isMost && !isHeld) return await load(start, end)
      if (!isHeld) {
        free(stretch.bytes)
        stretch = { start, bytes: await load(start, Math.min(file.bytes, start + STRETCH_BYTES)) }
      }
      const bytes = Buffer.allocUnsafeSlow(end - start)
      stretch.bytes.copy(bytes, 0, start - stretch.start, end - stretch.start)
      return bytes
    },
    passed() {},
  }
}

/** @throws MDM_SOURCE_UNREACHABLE when the file changed since it was looked at */
export async function storedObject(
  file: FileHandle,
  { sop, sopClass }: Pick<StoredObject, 'sop' | 'sopClass'>,
): Promise<StoredObject> {
  const { size } = await file.stat()
  const start = await readSpan(file, 0, Math.min(FIRST_READ, size))
  const meta = readFileMeta(start)
  if (meta === undefined) throw new MdmError('MDM_SOURCE_UNREACHABLE', 'an object of the series has changed')
  const dataSet = async function* (): AsyncGenerator<Buffer> {
    for (let at = meta.end; at < size; at += CHUNK_BYTES)
      yield await readSpan(file, at, Math.min(size, at + CHUNK_BYTES))
  }
  return { sop, sopClass, transferSyntax: meta.transferSyntax, dataSet: dataSet() }
}

/** @throws MDM_DICOM when the file has become shorter */
async function readSpan(file: FileHandle, start: number, end: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(end - start)
  for (let done = 0; done < bytes.length;) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, start + done)
    if (bytesRead === 0) throw new MdmError('MDM_DICOM', 'the file has become shorter')
    done += bytesRead
  }
  return bytes
}
