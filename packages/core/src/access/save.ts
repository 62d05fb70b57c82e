import { rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Writable } from 'node:stream'
import { MdmError } from '../errors.ts'
import type { Guid, VolumeName } from '../names.ts'
import { convert, type FormatName } from '../volume/formats/index.ts'
import type { Volume } from '../volume/volume.ts'
import { announced, requestContainer, type TransferOptions } from './container.ts'
import { openVolume, type OpenVolume } from './decrypt.ts'
import { claimPart, type PartFile } from './part-file.ts'
import { fetchVerified, fetchWhole } from './part-transfer.ts'
import { getRaw, type RawContainer } from './raw.ts'
import { retrying, type Retry } from './retry.ts'
import type { Session } from './session.ts'
import { keepWhole, streamSink, writeStream, writeWhole, type Written } from './whole-file.ts'

export interface SaveOptions extends TransferOptions {
  /** `raw` keeps the container, `decrypt` opens it and writes `format` */
  readonly level: 'raw' | 'decrypt'
  readonly format: FormatName
  /** first and last slice, 0-based; only with `decrypt` */
  readonly slices?: readonly [number, number] | undefined
  /** told what the file will hold, before any of it is written; not with `raw` */
  readonly onVolume?: ((volume: Volume) => void) | undefined
}

export interface SavedFile extends Written {
  readonly guid: Guid
  readonly version: number
  /** a newer version that the caller may read as well */
  readonly latest?: number
  readonly path: string
  /** bytes of the container that an earlier get had left and that were not fetched again */
  readonly resumedFrom: number
}

export interface SaveFileOptions extends SaveOptions {
  readonly path: string
  /** attempts after the first for what may pass; none unless told */
  readonly retries?: number | undefined
  readonly onRetry?: ((retry: Retry) => void) | undefined
}

/** Not found, denied, or not what was sealed: nothing worth going on with. */
const REFUSED = new Set([3, 4, 7])

export function isRefusal(error: unknown): boolean {
  return error instanceof MdmError && REFUSED.has(error.exitCode)
}

/**
 * Saves a volume as a file: the container goes to `PATH.part` and is verified frame by frame; what is verified is converted
 * and written beside it, under a hidden name. Only when the final frame has been verified does that file, whole and synced,
 * get the name asked for (FLOW 2, docs/adr/0037).
 *
 * What is interrupted or fails leaves its `.part` alone, and the next call goes on behind its last good frame; what is
 * refused leaves nothing.
 *
 * @throws what getRaw and openVolume throw; MDM_CONFLICT when another get writes this file, or its `.part` is foreign
 */
export async function saveVolume(session: Session, name: VolumeName, o: SaveFileOptions): Promise<SavedFile> {
  if (opensSlices(name, o))
    return await withSlices(session, name, o, (volume) => saveOpened(volume, sliceOf(volume, o)))
  const part = await claimPart(o.path)
  let keep = false
  try {
    // What a killed get left there does not stay, whatever becomes of this one.
    await rm(draftOf(o.path), { force: true })
    return o.level === 'raw'
      ? await saveRaw(session, name, part, o)
      : await saveDecrypted(session, name, part, o)
  } catch (error) {
    keep = !isRefusal(error)
    throw error
  } finally {
    await part.close(keep)
  }
}

async function saveRaw(
  session: Session,
  name: VolumeName,
  part: PartFile,
  o: SaveFileOptions,
): Promise<SavedFile> {
  const { raw, resumedFrom } = await attempts(part, o, () => fetchWhole(session, name, part, o))
  return { ...saved(raw, o.path, await keepWhole(part.handle, part.path, o.path)), resumedFrom }
}

async function saveDecrypted(
  session: Session,
  name: VolumeName,
  part: PartFile,
  o: SaveFileOptions,
): Promise<SavedFile> {
  let finished: (() => void) | undefined
  const write = (plaintext: AsyncIterable<Buffer>) =>
    writeWhole(o.path, convert(o.format, plaintext, { onVolume: o.onVolume }), {
      temporary: draftOf(o.path),
      onWritten: () => (finished = o.timing?.start('finish')),
    })
  const { raw, used, resumedFrom } = await attempts(part, o, () =>
    fetchVerified(session, name, part, o, write),
  )
  finished?.()
  return { ...saved(raw, o.path, used), resumedFrom }
}

/** Where the file grows until it is whole: one name for all gets, which the lock of the `.part` makes ours. */
export function draftOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.tmp`)
}

/** Each attempt goes on where the one before stopped. */
export async function attempts<W extends { raw: RawContainer }>(
  part: PartFile,
  o: Pick<SaveFileOptions, 'signal' | 'onRetry' | 'retries'>,
  work: () => Promise<W>,
): Promise<W & { resumedFrom: number }> {
  const { signal, onRetry } = o
  const whole = await retrying(
    async () => {
      await part.look()
      return await work()
    },
    { retries: o.retries ?? 0, received: () => part.received > 0, signal, onRetry },
  )
  // What did not come now was there before; an attempt that had to begin anew makes that nothing.
  return { ...whole, resumedFrom: Math.max(0, whole.raw.bytes - part.received) }
}

/** Writes a volume to a stream, each frame as soon as it is verified; an error means that the end is missing. */
export async function writeVolume(
  session: Session,
  name: VolumeName,
  out: Writable,
  o: SaveOptions,
): Promise<SavedFile> {
  if (opensSlices(name, o))
    return await withSlices(session, name, o, (volume) => writeOpened(volume, out, sliceOf(volume, o)))
  if (o.level === 'raw') {
    const raw = await getRaw(session, name, o)
    const read = o.timing?.start('read')
    const { sink, written } = streamSink(out)
    for await (const chunk of announced(raw, o)) await sink(chunk)
    read?.()
    return saved(raw, '-', written())
  }
  const { raw, plaintext } = await requestContainer(session, name, o)
  return saved(raw, '-', await writeStream(out, convert(o.format, plaintext, { onVolume: o.onVolume })))
}

/** Saves an opened volume, or some slices of it, as a file that appears whole or not at all. */
export async function saveOpened(
  volume: OpenVolume,
  o: Pick<SaveOptions, 'format' | 'slices' | 'onVolume'> & { path: string },
): Promise<SavedFile> {
  return saved(volume, o.path, await writeWhole(o.path, contentOf(volume, o)))
}

/** Writes an opened volume, or some slices of it, to a stream. */
export async function writeOpened(
  volume: OpenVolume,
  out: Writable,
  o: Pick<SaveOptions, 'format' | 'slices' | 'onVolume'>,
): Promise<SavedFile> {
  return saved(volume, '-', await writeStream(out, contentOf(volume, o)))
}

function contentOf(
  volume: OpenVolume,
  { format, slices, onVolume }: Pick<SaveOptions, 'format' | 'slices' | 'onVolume'>,
): AsyncIterable<Buffer> {
  if (slices === undefined) return convert(format, volume.stream(), { onVolume })
  return convert(format, volume.stream({ slices }), { volume: volume.volume, slices, onVolume })
}

/** An instance GUID means one slice, unless its whole container is wanted. */
function opensSlices(name: VolumeName, o: SaveOptions): boolean {
  return o.slices !== undefined || ('instance' in name && o.level === 'decrypt')
}

function sliceOf<O extends SaveOptions>(volume: OpenVolume, o: O): O {
  if (o.slices !== undefined || volume.named === undefined) return o
  return { ...o, slices: [volume.named, volume.named] }
}

async function withSlices(
  session: Session,
  name: VolumeName,
  o: SaveOptions,
  use: (volume: OpenVolume) => Promise<SavedFile>,
): Promise<SavedFile> {
  if (o.level === 'raw') throw new MdmError('MDM_USAGE', 'a raw container has no slices: use --level decrypt')
  const volume = await openVolume(session, name, o)
  try {
    return await use(volume)
  } finally {
    await volume.close()
  }
}

function saved(
  from: { guid: Guid; version: number; latest?: number },
  path: string,
  written: Written,
): SavedFile {
  const { guid, version, latest } = from
  return { guid, version, ...(latest === undefined ? {} : { latest }), path, ...written, resumedFrom: 0 }
}
