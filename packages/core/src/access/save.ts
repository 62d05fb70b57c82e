import { open, unlink } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import { decryptContainer } from '../crypto/container/reader.ts'
import { MdmError } from '../errors.ts'
import type { Guid, VolumeName } from '../names.ts'
import { convert, type FormatName } from '../volume/formats/index.ts'
import { fetchContainer, fetchVerified, requestContainer, type TransferOptions } from './container.ts'
import { openVolume, type OpenVolume } from './decrypt.ts'
import type { Session } from './session.ts'
import { keepWhole, readingFrom, streamSink, writeStream, writeWhole, type Written } from './whole-file.ts'

export interface SaveOptions extends TransferOptions {
  /** `raw` keeps the container, `decrypt` opens it and writes `format` */
  readonly level: 'raw' | 'decrypt'
  readonly format: FormatName
  /** first and last slice, 0-based; only with `decrypt` */
  readonly slices?: readonly [number, number] | undefined
}

export interface SavedFile extends Written {
  readonly guid: Guid
  readonly version: number
  /** a newer version that the caller may read as well */
  readonly latest?: number
  readonly path: string
  readonly resumedFrom: number
}

/**
 * Saves a volume as a file: the container goes to `PATH.part`, is verified frame by frame, and only when its final frame
 * has been verified does a file appear under the name asked for, whole and synced (FLOW 2).
 *
 * @throws what getRaw and openVolume throw; nothing is left under `path` then
 */
export async function saveVolume(
  session: Session,
  name: VolumeName,
  o: SaveOptions & { path: string },
): Promise<SavedFile> {
  if (opensSlices(name, o))
    return await withSlices(session, name, o, (volume) => saveOpened(volume, sliceOf(volume, o)))
  const part = `${o.path}.part`
  // Two gets to one name each keep their own file: the older one's .part loses its name, not its content.
  await unlink(part).catch(() => {})
  const container = await open(part, 'wx+', 0o600)
  const sink = (chunk: Buffer) => container.appendFile(chunk)
  try {
    if (o.level === 'raw') {
      const raw = await fetchContainer(session, name, o, sink)
      return saved(raw, o.path, await keepWhole(container, part, o.path))
    }
    const { raw, key } = await fetchVerified(session, name, o, sink)
    const { guid, version, kid } = key.manifest
    const plaintext = decryptContainer(readingFrom(container), async () => ({
      fileKey: key.fileKey,
      expected: { guid, version, kid },
    }))
    return saved(raw, o.path, await writeWhole(o.path, convert(o.format, plaintext)))
  } finally {
    await container.close()
    await unlink(part).catch(() => {})
  }
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
    const digest = streamSink(out)
    const raw = await fetchContainer(session, name, o, digest.sink)
    return saved(raw, '-', digest.written())
  }
  const { raw, plaintext } = await requestContainer(session, name, o)
  return saved(raw, '-', await writeStream(out, convert(o.format, plaintext)))
}

/** Saves an opened volume, or some slices of it, as a file that appears whole or not at all. */
export async function saveOpened(
  volume: OpenVolume,
  o: Pick<SaveOptions, 'format' | 'slices'> & { path: string },
): Promise<SavedFile> {
  return saved(volume, o.path, await writeWhole(o.path, contentOf(volume, o)))
}

/** Writes an opened volume, or some slices of it, to a stream. */
export async function writeOpened(
  volume: OpenVolume,
  out: Writable,
  o: Pick<SaveOptions, 'format' | 'slices'>,
): Promise<SavedFile> {
  return saved(volume, '-', await writeStream(out, contentOf(volume, o)))
}

function contentOf(
  volume: OpenVolume,
  { format, slices }: Pick<SaveOptions, 'format' | 'slices'>,
): AsyncIterable<Buffer> {
  if (slices === undefined) return convert(format, volume.stream())
  return convert(format, volume.stream({ slices }), { volume: volume.volume, slices })
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
