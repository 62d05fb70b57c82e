import { MdmError, type ErrorCode } from '@mdm/core/errors'
import type { FileHandle } from 'node:fs/promises'
import { free } from '@mdm/core/memory'
import { MAX_HEADER_BYTES, pixelSpan, readHeaderStart } from '../part10/index.ts'
import type { DicomSource, InstanceHeader, RetrievedInstance, SeriesRef } from '../source.ts'
import { openBelow, walk, type FoundFile } from './walk.ts'

const FIRST_READ = 64 * 1024

/** What the index keeps of a file: where it belongs; headers are read again when asked for. */
type Entry = FoundFile &
  ({ kind: 'instance'; ref: SeriesRef; sop: string } | { kind: 'fault'; code: ErrorCode } | { kind: 'other' })

/**
 * A folder of DICOM files as a source. Regular files below the root only, no links; objects come in order of path.
 * Where two files hold one SOPInstanceUID, retrieve() gives the first in order of path.
 */
export function folderSource(name: string, root: string): DicomSource {
  let index = new Map<string, Entry>()

  async function scan(signal?: AbortSignal): Promise<void> {
    const files = await walk(root, signal).catch((cause: unknown) => {
      signal?.throwIfAborted()
      throw new MdmError('MDM_SOURCE_UNREACHABLE', `the folder of source ${name} is not readable`, { cause })
    })
    const next = new Map<string, Entry>()
    for (const file of files) {
      signal?.throwIfAborted()
      const known = index.get(file.path)
      next.set(file.path, known !== undefined && same(known, file) ? known : await inspect(root, file))
    }
    index = next
  }

  /** The files of a series; the folder is looked through again when the series is not known yet. */
  async function filesOf(ref: SeriesRef, signal?: AbortSignal): Promise<(Entry & { kind: 'instance' })[]> {
    const find = () =>
      [...index.values()].filter((file) => file.kind === 'instance').filter((file) => belongs(file, ref))
    let files = find()
    if (files.length === 0) {
      await scan(signal)
      files = find()
    }
    if (files.length === 0) throw new MdmError('MDM_NOT_FOUND', `source ${name} has no such series`)
    return files
  }

  return {
    name,
    async series(signal) {
      await scan(signal)
      const refs = new Map<string, SeriesRef>()
      for (const file of index.values()) {
        if (file.kind === 'instance') refs.set(`${file.ref.study}\\${file.ref.series}`, file.ref)
      }
      return [...refs.values()]
    },
    async *headers(ref, signal) {
      for (const file of await filesOf(ref, signal)) {
        signal?.throwIfAborted()
        const header = await withFile(root, file.path, readFileHeader).catch(() => undefined)
        if (header === undefined || !belongs({ ref: header }, ref)) {
          index.delete(file.path)
          throw new MdmError(
            'MDM_SOURCE_UNREACHABLE',
            `source ${name}: an object of the series changed while it was read`,
          )
        }
        yield header
      }
    },
    async *retrieve(ref, sops, signal) {
      const missing = new Set(sops)
      for (const again of [false, true]) {
        if (again) await scan(signal)
        for (const file of await filesOf(ref, signal)) {
          signal?.throwIfAborted()
          if (!missing.has(file.sop)) continue
          const instance = await withFile(root, file.path, readInstance).catch(() => undefined)
          if (
            instance === undefined ||
            instance.header.sop !== file.sop ||
            !belongs({ ref: instance.header }, ref)
          )
            continue
          missing.delete(file.sop)
          yield instance
        }
        if (missing.size === 0) return
      }
    },
    faults() {
      const counts = new Map<ErrorCode, number>()
      for (const file of index.values()) {
        if (file.kind === 'fault') counts.set(file.code, (counts.get(file.code) ?? 0) + 1)
      }
      return [...counts].map(([code, objects]) => ({ code, objects }))
    },
  }
}

function same(known: FoundFile, file: FoundFile): boolean {
  return known.bytes === file.bytes && known.modified === file.modified && known.inode === file.inode
}

function belongs({ ref }: { ref: SeriesRef }, { study, series }: SeriesRef): boolean {
  return ref.study === study && ref.series === series
}

async function inspect(root: string, file: FoundFile): Promise<Entry> {
  try {
    const header = await withFile(root, file.path, readFileHeader)
    if (header === undefined) return { ...file, kind: 'other' }
    return { ...file, kind: 'instance', ref: { study: header.study, series: header.series }, sop: header.sop }
  } catch (error) {
    return { ...file, kind: 'fault', code: error instanceof MdmError ? error.code : 'MDM_SOURCE_UNREACHABLE' }
  }
}

async function withFile<T>(
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
async function readFileHeader(file: FileHandle): Promise<InstanceHeader | undefined> {
  const { size } = await file.stat()
  for (let bytes = Math.min(FIRST_READ, size); ; bytes = Math.min(bytes * 4, size, MAX_HEADER_BYTES)) {
    const start = await readSpan(file, 0, bytes)
    const header = readHeaderStart(start, size)
    free(start)
    if (header !== 'more') return header
  }
}

async function readInstance(file: FileHandle): Promise<RetrievedInstance | undefined> {
  const header = await readFileHeader(file)
  const span = header && pixelSpan(header)
  if (header === undefined || span === undefined || span.end > (await file.stat()).size) return undefined
  return { header, pixels: await readSpan(file, span.start, span.end) }
}

/** @throws MDM_DICOM when the file has become shorter */
async function readSpan(file: FileHandle, start: number, end: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(end - start)
  for (let done = 0; done < bytes.length;) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, start + done)
    if (bytesRead === 0) throw new MdmError('MDM_DICOM', 'the file has become shorter')
    done += bytesRead
  }
  return bytes
}
