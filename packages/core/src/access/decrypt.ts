import type { KeyObject } from 'node:crypto'
import { open } from 'node:fs/promises'
import { frameSpan, FRAME_BYTES } from '../crypto/container/profile.ts'
import {
  openContainer,
  parseContainerHeader,
  type ContainerHeader,
  type ContainerOpener,
} from '../crypto/container/reader.ts'
import { MdmError } from '../errors.ts'
import type { GatheredKey, KeyServerFault } from '../grid/key-servers.ts'
import type { Guid, Kid, VolumeName } from '../names.ts'
import type { Timing } from '../timing.ts'
import { parseNrrdHeader } from '../volume/formats/nrrd.ts'
import { sliceSpan, type Volume } from '../volume/volume.ts'
import { fileCiphertext, siteCiphertext, type Ciphertext } from './ciphertext.ts'
import { deniedKey, fetchFileKey } from './file-key.ts'
import type { Session } from './session.ts'

export interface OpenOptions {
  readonly signal?: AbortSignal | undefined
  readonly timing?: Timing | undefined
  readonly onFault?: ((fault: KeyServerFault) => void) | undefined
}

/** A volume whose voxels can be read, decrypted in memory and fetched frame by frame. */
export interface OpenVolume {
  readonly guid: Guid
  readonly version: number
  readonly latest?: number
  /** where it was opened by an instance GUID: the slice that names */
  readonly named?: number
  readonly volume: Volume
  /** bytes of the NRRD header before the first voxel */
  readonly headerBytes: number
  /** bytes of NRRD header and voxels together */
  readonly plaintextBytes: number
  /** @returns `length` plaintext bytes from `offset`; fetches only the frames that hold them. @throws MDM_RANGE */
  read(offset: number, length: number): Promise<Buffer>
  /** @returns the voxels of slice k (0-based), little endian, x fastest. @throws MDM_RANGE */
  slice(k: number): Promise<Buffer>
  /** The NRRD plaintext in order; with `slices` [a, b] only the voxels of slices a to b (0-based, both included). */
  stream(o?: { slices?: readonly [number, number] }): AsyncIterable<Buffer>
  close(): Promise<void>
}

/**
 * Level 2 (paper 4.3): opens a volume at the site for reading, key included.
 *
 * @throws MDM_NOT_FOUND | MDM_DENIED | MDM_BELOW_THRESHOLD | MDM_COMMITMENT | MDM_CONTAINER | MDM_SOURCE_*
 */
export async function openVolume(
  session: Session,
  name: VolumeName,
  o: OpenOptions = {},
): Promise<OpenVolume> {
  return await openCiphertext(
    session,
    siteCiphertext(session, name, o),
    'guid' in name ? name.guid : undefined,
    o,
  )
}

/** Opens a container on disk, such as `mdm get --level raw` left or a backup holds; only key servers are asked. */
export async function decryptFile(session: Session, file: string, o: OpenOptions = {}): Promise<OpenVolume> {
  const handle = await open(file, 'r').catch((cause: unknown) => {
    throw new MdmError('MDM_USAGE', 'the container cannot be opened', { cause })
  })
  if (!(await handle.stat()).isFile()) {
    await handle.close()
    throw new MdmError('MDM_USAGE', 'a container is a file, which this is not')
  }
  return await openCiphertext(session, fileCiphertext(handle), undefined, o)
}

async function openCiphertext(
  session: Session,
  source: Ciphertext,
  guid: Guid | undefined,
  o: OpenOptions,
): Promise<OpenVolume> {
  const abort = new AbortController()
  const signal = o.signal === undefined ? abort.signal : AbortSignal.any([o.signal, abort.signal])
  const kid = Promise.withResolvers<Kid>()
  kid.promise.catch(() => {})
  // Site and key servers are asked at once wherever the GUID is known already (paper 6.2: remote calls are the cost).
  const early = guid === undefined ? undefined : fetchFileKey(session, guid, kid.promise, { ...o, signal })
  early?.catch(() => {})
  try {
    const head = await source.head()
    const header = headerOf(head.bytes, head.expected)
    kid.resolve(header.context.kid)
    const key = await (
      early ?? fetchFileKey(session, header.context.guid, kid.promise, { ...o, signal })
    ).catch((error: unknown) => {
      throw source.letIn ? deniedKey(session, error) : error
    })
    return new Reader(source, header, key, head, () =>
      abort.abort(new MdmError('MDM_UNREACHABLE', 'the volume was closed')),
    )
  } catch (error) {
    abort.abort(error)
    await source.close()
    throw error
  }
}

function headerOf(bytes: Buffer, expected: { guid?: Guid; version?: number }): ContainerHeader {
  const header = parseContainerHeader(bytes)
  if (header === undefined) throw new MdmError('MDM_CONTAINER', 'the container is shorter than its header')
  const { guid, version } = header.context
  if ((expected.guid ?? guid) !== guid || (expected.version ?? version) !== version) {
    throw new MdmError('MDM_INTEGRITY', 'the site sent another volume than the one asked for')
  }
  return header
}

/** One encryption of the volume, opened. */
interface Sealed {
  readonly header: ContainerHeader
  readonly opener: ContainerOpener
}

/** Frames on demand: the one place where a range of plaintext becomes a range of ciphertext. */
class Reader implements OpenVolume {
  readonly guid: Guid
  readonly version: number
  readonly latest?: number
  readonly named?: number
  readonly volume: Volume
  readonly headerBytes: number
  readonly plaintextBytes: number
  readonly #source: Ciphertext
  readonly #fileKey: KeyObject
  /** the newest; a read under way goes on with the one it began with */
  #sealed: Sealed
  readonly #openers: ContainerOpener[] = []
  /** ends what key servers are still asked for */
  readonly #endGathering: () => void

  constructor(
    source: Ciphertext,
    header: ContainerHeader,
    key: GatheredKey,
    head: { bytes: Buffer; latest?: number | undefined; slice?: number | undefined },
    endGathering: () => void,
  ) {
    const { guid, version, kid, plaintextBytes } = header.context
    if (key.manifest.version !== version)
      throw new MdmError('MDM_INTEGRITY', 'the key belongs to another version of the volume')
    this.#endGathering = endGathering
    this.#source = source
    this.#fileKey = key.fileKey
    const opener = openContainer(header, key.fileKey, { guid, version, kid })
    this.#openers.push(opener)
    this.#sealed = { header, opener }
    const { start, end } = frameSpan(header.headerBytes, plaintextBytes, 1)
    const known = parseNrrdHeader(opener.openFrame(1, head.bytes.subarray(start, end)))
    if (known === undefined)
      throw new MdmError('MDM_CONTAINER', 'the volume header does not fit the first frame')
    this.guid = guid
    this.version = version
    if (head.latest !== undefined) this.latest = head.latest
    if (head.slice !== undefined) this.named = head.slice
    this.volume = known.volume
    this.headerBytes = known.headerBytes
    this.plaintextBytes = plaintextBytes
  }

  async read(offset: number, length: number): Promise<Buffer> {
    this.#requireInside(offset, offset + length)
    const out = Buffer.allocUnsafe(length)
    let filled = 0
    for await (const chunk of this.#range(offset, offset + length)) filled += chunk.copy(out, filled)
    return out
  }

  async slice(k: number): Promise<Buffer> {
    const { start, end } = this.#slices([k, k])
    return await this.read(start, end - start)
  }

  stream(o: { slices?: readonly [number, number] } = {}): AsyncIterable<Buffer> {
    const { start, end } =
      o.slices === undefined ? { start: 0, end: this.plaintextBytes } : this.#slices(o.slices)
    return this.#range(start, end)
  }

  async close(): Promise<void> {
    this.#endGathering()
    for (const opener of this.#openers) opener.wipe()
    await this.#source.close()
  }

  #slices([a, b]: readonly [number, number]): { start: number; end: number } {
    if (!Number.isInteger(a) || !Number.isInteger(b) || a < 0 || b < a || b >= this.volume.slices) {
      throw new MdmError('MDM_RANGE', `slices ${a}-${b} are not in 0-${this.volume.slices - 1}`)
    }
    return {
      start: sliceSpan(this.volume, this.headerBytes, a).start,
      end: sliceSpan(this.volume, this.headerBytes, b).end,
    }
  }

  #requireInside(start: number, end: number): void {
    if (
      !Number.isSafeInteger(start) ||
      !Number.isSafeInteger(end) ||
      start < 0 ||
      end < start ||
      end > this.plaintextBytes
    ) {
      throw new MdmError('MDM_RANGE', `bytes ${start}-${end} are not in 0-${this.plaintextBytes}`)
    }
  }

  async *#range(start: number, end: number): AsyncGenerator<Buffer> {
    if (start === end) return
    const first = Math.floor(start / FRAME_BYTES) + 1
    const last = Math.ceil(end / FRAME_BYTES)
    let index = first
    for await (const plaintext of this.#frames(first, last)) {
      const base = (index - 1) * FRAME_BYTES
      yield plaintext.subarray(Math.max(0, start - base), Math.min(plaintext.length, end - base))
      index++
    }
  }

  async *#frames(first: number, last: number): AsyncGenerator<Buffer> {
    let index = first
    const { body, opener, header } = await this.#ciphertext(first, last)
    let rest: Buffer = Buffer.alloc(0)
    for await (const chunk of body) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      for (;;) {
        if (index > last) break
        const { start, end } = this.#span(header, index)
        if (rest.length < end - start) break
        yield opener.openFrame(index, rest.subarray(0, end - start))
        rest = rest.subarray(end - start)
        index++
      }
    }
    if (index <= last || rest.length > 0)
      throw new MdmError('MDM_CONTAINER', 'the container ends before its last frame')
  }

  /** A container that was sealed anew meanwhile is another one: its header is read and checked again, once. */
  async #ciphertext(first: number, last: number): Promise<Sealed & { body: AsyncIterable<Buffer> }> {
    let sealed = this.#sealed
    for (const again of [true, false]) {
      const { header } = sealed
      const { start } = this.#span(header, first)
      const body = await this.#source.read(start, this.#span(header, last).end, header.etag)
      if (body !== undefined) return { ...sealed, body }
      if (again) sealed = await this.#reopen()
    }
    throw new MdmError('MDM_INTEGRITY', 'the container keeps changing at the site')
  }

  async #reopen(): Promise<Sealed> {
    const head = await this.#source.head()
    const header = headerOf(head.bytes, this)
    const opener = openContainer(header, this.#fileKey, {
      guid: this.guid,
      version: this.version,
      kid: this.#sealed.header.context.kid,
    })
    this.#openers.push(opener)
    this.#sealed = { header, opener }
    return this.#sealed
  }

  #span(header: ContainerHeader, index: number): { start: number; end: number } {
    return frameSpan(header.headerBytes, this.plaintextBytes, index)
  }
}
