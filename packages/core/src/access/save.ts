import { createHash, randomBytes, type Hash } from 'node:crypto'
import { open, rename, unlink, type FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { parseContainerHeader, decryptContainer, type ContainerHeader } from '../crypto/container/reader.ts'
import { MdmError } from '../errors.ts'
import type { GatheredKey } from '../grid/key-servers.ts'
import type { Guid, Kid, VolumeName } from '../names.ts'
import { convert, type FormatName } from '../volume/formats/index.ts'
import { openVolume, type OpenOptions } from './decrypt.ts'
import { deniedKey, fetchFileKey } from './file-key.ts'
import { getRaw, type RawContainer } from './raw.ts'
import type { Session } from './session.ts'

export interface SaveOptions extends OpenOptions {
  /** `raw` keeps the container, `decrypt` opens it and writes `format`. */
  readonly level: 'raw' | 'decrypt'
  readonly format: FormatName
  /** First and last slice, 0-based; only with `decrypt`. */
  readonly slices?: readonly [number, number] | undefined
  readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined
}

export interface SavedFile {
  readonly guid: Guid
  readonly version: number
  readonly latest?: number
  readonly path: string
  readonly bytes: number
  /** of the file as written, hex */
  readonly sha256: string
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
  if (o.slices !== undefined) return await saveSlices(session, name, o)
  const part = `${o.path}.part`
  // Two gets to one name each keep their own file: the older one's .part loses its name, not its content.
  await unlink(part).catch(() => {})
  const container = await open(part, 'wx+', 0o600)
  try {
    const fetched = await fetchContainer(session, name, o, (chunk) => container.appendFile(chunk))
    const done =
      o.level === 'raw' ? await keep(container, part, o.path) : await decryptInto(container, fetched.key!, o)
    return { ...nameOf(fetched.raw), path: o.path, ...done, resumedFrom: 0 }
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
  const hash = createHash('sha256')
  let bytes = 0
  const write = async (chunk: Buffer) => {
    hash.update(chunk)
    bytes += chunk.length
    if (!out.write(chunk)) await drained(out)
  }
  const done = (raw: { guid: Guid; version: number; latest?: number }) => ({
    ...nameOf(raw),
    path: '-',
    bytes,
    sha256: hash.digest('hex'),
    resumedFrom: 0,
  })
  if (o.level === 'raw') return done((await fetchContainer(session, name, o, write)).raw)
  const volume = o.slices === undefined ? undefined : await openVolume(session, name, o)
  if (volume !== undefined) {
    for await (const chunk of convert(o.format, volume.stream(sliced(o)), {
      volume: volume.volume,
      ...sliced(o),
    }))
      await write(chunk)
    await volume.close()
    return done(volume)
  }
  const opened = await requestContainer(session, name, o)
  for await (const chunk of convert(o.format, opened.plaintext)) await write(chunk)
  return done(opened.raw)
}

interface Fetched {
  readonly raw: RawContainer
  readonly key?: GatheredKey
}

/** Fetches a whole container into `sink`; at level decrypt every frame is verified on the way. */
async function fetchContainer(
  session: Session,
  name: VolumeName,
  o: SaveOptions,
  sink: (chunk: Buffer) => Promise<unknown>,
): Promise<Fetched> {
  if (o.level === 'decrypt') {
    const opened = await requestContainer(session, name, o, sink)
    for await (const _ of opened.plaintext) continue
    return { raw: opened.raw, key: opened.key() }
  }
  const raw = await getRaw(session, name, o)
  const end = o.timing?.start('read')
  let done = 0
  let head: Buffer = Buffer.alloc(0)
  let header: ContainerHeader | undefined
  for await (const chunk of raw.body) {
    if (header === undefined) {
      head = Buffer.concat([head, chunk])
      header = parseContainerHeader(head)
    }
    await sink(chunk)
    o.onProgress?.((done += chunk.length), raw.bytes)
  }
  end?.()
  if (
    header === undefined ||
    header.length !== done ||
    header.etag !== raw.etag ||
    header.context.guid !== raw.guid
  ) {
    throw new MdmError('MDM_CONTAINER', 'what the site sent is not the whole container it announced')
  }
  return { raw }
}

/** Asks site and key servers at once and returns the verified plaintext as it arrives. */
async function requestContainer(
  session: Session,
  name: VolumeName,
  o: SaveOptions,
  sink?: (chunk: Buffer) => Promise<unknown>,
) {
  const abort = new AbortController()
  const signal = o.signal === undefined ? abort.signal : AbortSignal.any([o.signal, abort.signal])
  const kid = Promise.withResolvers<Kid>()
  kid.promise.catch(() => {})
  const fetchKey = (guid: Guid) => {
    const key = fetchFileKey(session, guid, kid.promise, { ...o, signal })
    key.catch((error: unknown) => {
      // Too few key servers: there is no use in letting the site read the PACS. "Not for you" waits for the site's word.
      if (!(error instanceof MdmError) || error.code !== 'MDM_NOT_FOUND') abort.abort(error)
    })
    return key
  }
  const early = 'guid' in name ? fetchKey(name.guid) : undefined
  const raw = await getRaw(session, name, { signal, timing: o.timing }).catch((error: unknown) => {
    abort.abort(error)
    throw error
  })
  if ('guid' in name && (raw.guid !== name.guid || (name.version ?? raw.version) !== raw.version)) {
    throw new MdmError('MDM_INTEGRITY', 'the site sent another volume than the one asked for')
  }
  let gathered: GatheredKey | undefined
  const keyFor = async (header: ContainerHeader) => {
    kid.resolve(header.context.kid)
    gathered = await (early ?? fetchKey(raw.guid)).catch((error: unknown) => {
      throw deniedKey(error)
    })
    if (gathered.manifest.version !== raw.version)
      throw new MdmError('MDM_INTEGRITY', 'the key belongs to another version of the volume')
    const version = gathered.manifest.version
    return { fileKey: gathered.fileKey, expected: { guid: raw.guid, version, kid: raw.kid } }
  }
  const plaintext = (async function* () {
    const end = o.timing?.start('read')
    try {
      yield* decryptContainer(tee(raw, o, sink), keyFor)
    } finally {
      end?.()
      abort.abort(new MdmError('MDM_UNREACHABLE', 'the transfer was given up'))
    }
  })()
  return { raw, plaintext, key: () => gathered! }
}

async function* tee(
  raw: RawContainer,
  o: SaveOptions,
  sink?: (chunk: Buffer) => Promise<unknown>,
): AsyncGenerator<Buffer> {
  let done = 0
  for await (const chunk of raw.body) {
    await sink?.(chunk)
    o.onProgress?.((done += chunk.length), raw.bytes)
    yield chunk
  }
}

async function saveSlices(
  session: Session,
  name: VolumeName,
  o: SaveOptions & { path: string },
): Promise<SavedFile> {
  if (o.level === 'raw') throw new MdmError('MDM_USAGE', 'a raw container has no slices: use --level decrypt')
  const volume = await openVolume(session, name, o)
  try {
    const done = await writeFileWhole(
      o.path,
      convert(o.format, volume.stream(sliced(o)), { volume: volume.volume, ...sliced(o) }),
    )
    return { ...nameOf(volume), path: o.path, ...done, resumedFrom: 0 }
  } finally {
    await volume.close()
  }
}

async function decryptInto(
  container: FileHandle,
  key: GatheredKey,
  o: SaveOptions & { path: string },
): Promise<{ bytes: number; sha256: string }> {
  const ciphertext = container.createReadStream({ start: 0, autoClose: false, highWaterMark: 1 << 20 })
  const { guid, version, kid } = key.manifest
  const plaintext = decryptContainer(ciphertext, async () => ({
    fileKey: key.fileKey,
    expected: { guid, version, kid },
  }))
  return await writeFileWhole(o.path, convert(o.format, plaintext))
}

async function keep(
  container: FileHandle,
  part: string,
  path: string,
): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of container.createReadStream({
    start: 0,
    autoClose: false,
    highWaterMark: 1 << 20,
  }))
    bytes += update(hash, chunk as Buffer)
  await container.sync()
  await rename(part, path)
  await syncFolder(path)
  return { bytes, sha256: hash.digest('hex') }
}

/** A file that appears whole or not at all: random name beside it, fsync, rename, fsync of the folder. */
async function writeFileWhole(
  path: string,
  content: AsyncIterable<Buffer>,
): Promise<{ bytes: number; sha256: string }> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`)
  const file = await open(temporary, 'wx', 0o600)
  const hash = createHash('sha256')
  let bytes = 0
  try {
    for await (const chunk of content) {
      bytes += update(hash, chunk)
      await file.appendFile(chunk)
    }
    await file.sync()
    await file.close()
    await rename(temporary, path)
    await syncFolder(path)
  } catch (error) {
    await file.close().catch(() => {})
    await unlink(temporary).catch(() => {})
    throw error
  }
  return { bytes, sha256: hash.digest('hex') }
}

function update(hash: Hash, chunk: Buffer): number {
  hash.update(chunk)
  return chunk.length
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(dirname(path), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

async function drained(out: Writable): Promise<void> {
  const gone = new AbortController()
  await Promise.race([
    new Promise<void>((resolve) => out.once('drain', resolve)),
    finished(out, { readable: false, signal: gone.signal }).then(
      () => {},
      () => {},
    ),
  ])
  gone.abort()
  if (out.destroyed || out.errored !== null)
    throw new MdmError('MDM_UNREACHABLE', 'the reader of the output went away')
}

function sliced(o: SaveOptions): { slices?: readonly [number, number] } {
  return o.slices === undefined ? {} : { slices: o.slices }
}

function nameOf(v: { guid: Guid; version: number; latest?: number }): {
  guid: Guid
  version: number
  latest?: number
} {
  return { guid: v.guid, version: v.version, ...(v.latest === undefined ? {} : { latest: v.latest }) }
}
