import { createHash } from 'node:crypto'
import { MdmError, type ErrorCode } from '@mdm/core/errors'
import { decodedFrames, openDecoders, storedFrames, type StoredFrame } from '../pixels/index.ts'
import { isSameSeries, seriesKey } from '../same-series.ts'
import type { DicomSource, InstanceHeader, SeriesFilter, SeriesRef, Wanted } from '../source.ts'
import { framesBySop } from '../wanted.ts'
import { fileBytes, readFileHeader, storedObject, withFile } from './read-file.ts'
import { openBelow, walk, type FoundFile } from './walk.ts'

/** A folder that takes longer to look through, ms, is not looked through for each count: one that is so many times its length old will do. */
const SLOW_MS = 1_000
const REST = 4

/** What the index keeps of a file: where it belongs; headers are read again when asked for. */
type Entry = FoundFile & (Instance | { kind: 'fault'; code: ErrorCode } | { kind: 'other' })

interface Instance extends Pick<InstanceHeader, 'sop' | 'sopClass' | 'modality'> {
  kind: 'instance'
  ref: SeriesRef
  studyDate: string
  patientId: string
}

/**
 * A folder of DICOM files as a source. Regular files below the root only, no links; objects come in order of path.
 * Where two files hold one SOPInstanceUID, retrieve() gives the first in order of path.
 */
export function folderSource(name: string, root: string): DicomSource {
  const decoders = openDecoders()
  let index = new Map<string, Entry>()
  let scanned = { at: -Infinity, ms: 0 }

  async function scan(signal?: AbortSignal): Promise<void> {
    const began = performance.now()
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
    scanned = { at: performance.now(), ms: performance.now() - began }
  }

  /** The files of a series; the folder is looked through again when the series is not known yet. */
  async function filesOf(ref: SeriesRef, signal?: AbortSignal): Promise<(FoundFile & Instance)[]> {
    const find = () =>
      [...index.values()]
        .filter((file) => file.kind === 'instance')
        .filter((file) => isSameSeries(file.ref, ref))
    let files = find()
    if (files.length === 0) {
      await scan(signal)
      files = find()
    }
    if (files.length === 0) throw new MdmError('MDM_NOT_FOUND', `source ${name} has no such series`)
    return files
  }

  /** The frames asked for; the folder is looked through again for objects that are missing. */
  async function* stored(
    ref: SeriesRef,
    wanted: readonly Wanted[],
    signal: AbortSignal | undefined,
  ): AsyncGenerator<StoredFrame> {
    const missing = framesBySop(wanted)
    for (const again of [false, true]) {
      if (again) await scan(signal)
      for (const file of await filesOf(ref, signal)) {
        signal?.throwIfAborted()
        if (!missing.has(file.sop)) continue
        for await (const frame of framesIn(root, file, missing.get(file.sop))) {
          missing.delete(file.sop)
          yield frame
        }
      }
      if (missing.size === 0) return
    }
  }

  return {
    name,
    async series({ filter = {}, signal } = {}) {
      await scan(signal)
      const found = new Map<string, (FoundFile & Instance)[]>()
      for (const file of index.values()) {
        if (file.kind !== 'instance') continue
        const key = seriesKey(file.ref)
        const files = found.get(key)
        if (files === undefined) found.set(key, [file])
        else files.push(file)
      }
      // A series is meant whole, or not at all: its count and its mark are those of all its files.
      return [...found.values()]
        .filter((files) => files.some((file) => isMeant(file, filter)))
        .map((files) => ({ ...files[0]!.ref, objects: files.length, mark: markOf(files) }))
    },
    async count(ref, signal) {
      const { at, ms } = scanned
      if (ms < SLOW_MS || performance.now() - at > REST * ms) await scan(signal)
      const files = [...index.values()].filter(
        (file) => file.kind === 'instance' && isSameSeries(file.ref, ref),
      )
      return files.length
    },
    async *headers(ref, signal) {
      for (const file of await filesOf(ref, signal)) {
        signal?.throwIfAborted()
        const header = await withFile(root, file.path, readFileHeader).catch(() => undefined)
        if (header === undefined || !isSameSeries(header, ref)) {
          index.delete(file.path)
          throw new MdmError(
            'MDM_SOURCE_UNREACHABLE',
            `source ${name}: an object of the series changed while it was read`,
          )
        }
        yield header
      }
    },
    retrieve: (ref, wanted, signal) => decodedFrames(stored(ref, wanted, signal), decoders, signal),
    async *objects(ref, { sops, signal } = {}) {
      const missing = sops && new Set(sops)
      for (const file of await filesOf(ref, signal)) {
        signal?.throwIfAborted()
        if (missing?.delete(file.sop) === false) continue
        const opened = await openBelow(root, file.path)
        if (opened === undefined) continue
        try {
          yield await storedObject(opened, file)
        } finally {
          await opened.close()
        }
      }
    },
    async probe(signal) {
      const began = performance.now()
      const step = (rest: { ok: boolean; note: string; code?: ErrorCode }) => ({
        steps: [{ step: 'read', ms: performance.now() - began, ...rest }],
        methods: ['file'],
      })
      try {
        const { length } = await this.series(signal === undefined ? {} : { signal })
        return step({ ok: true, note: `${length} series in the folder` })
      } catch (error) {
        signal?.throwIfAborted()
        return step({ ok: false, note: 'the folder is not readable', code: codeOf(error) })
      }
    },
    close: () => decoders.close(),
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

/** Changes when a file comes, goes or is overwritten. */
function markOf(files: readonly FoundFile[]): string {
  const hash = createHash('sha256')
  for (const { path, bytes, modified, inode } of files)
    hash.update(JSON.stringify([path, bytes, modified, inode]))
  return hash.digest('base64url')
}

async function inspect(root: string, file: FoundFile): Promise<Entry> {
  try {
    const header = await withFile(root, file.path, readFileHeader)
    if (header === undefined) return { ...file, kind: 'other' }
    const { study, series, sop, sopClass, modality, text } = header
    const more = { studyDate: text.StudyDate ?? '', patientId: text.PatientID ?? '' }
    return { ...file, kind: 'instance', ref: { study, series }, sop, sopClass, modality, ...more }
  } catch (error) {
    return { ...file, kind: 'fault', code: codeOf(error) }
  }
}

function codeOf(error: unknown): ErrorCode {
  return error instanceof MdmError ? error.code : 'MDM_SOURCE_UNREACHABLE'
}

function isMeant(file: Instance, { study, series, modality, studyDate, patientId }: SeriesFilter): boolean {
  return (
    (study === undefined || file.ref.study === study) &&
    (series === undefined || file.ref.series === series) &&
    (modality === undefined || file.modality === modality) &&
    (patientId === undefined || file.patientId === patientId) &&
    (studyDate?.from === undefined || file.studyDate >= studyDate.from) &&
    (studyDate?.to === undefined || (file.studyDate !== '' && file.studyDate <= studyDate.to))
  )
}

/** Frames of a file that is still what the index says; none when it is gone, changed or damaged. */
async function* framesIn(
  root: string,
  { ref, sop, ...file }: FoundFile & Instance,
  frames: readonly number[] | undefined,
): AsyncGenerator<StoredFrame> {
  try {
    const header = await withFile(root, file.path, readFileHeader)
    if (header?.sop === sop && isSameSeries(header, ref))
      yield* storedFrames(header, fileBytes(root, file), frames)
  } catch (error) {
    // What a disk does not give is gone.
    if (error instanceof MdmError && error.code !== 'MDM_DICOM') throw error
  }
}
