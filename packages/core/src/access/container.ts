import { decryptContainer, parseContainerHeader, type ContainerHeader } from '../crypto/container/reader.ts'
import { MdmError } from '../errors.ts'
import type { GatheredKey } from '../grid/key-servers.ts'
import { free } from '../memory.ts'
import type { Guid, Kid, VolumeName } from '../names.ts'
import type { OpenOptions } from './decrypt.ts'
import { deniedKey, fetchFileKey } from './file-key.ts'
import { getRaw, type RawContainer } from './raw.ts'
import type { Session } from './session.ts'

export interface TransferOptions extends OpenOptions {
  readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined
}

/** Takes the ciphertext as it arrives; a chunk is its own only until the promise is settled. */
export type Sink = (chunk: Buffer) => Promise<unknown>

/** A container on its way, decrypted as it comes. */
export interface OpenedContainer {
  readonly raw: RawContainer
  /** the NRRD plaintext, each frame verified; its end means that the final frame was right */
  readonly plaintext: AsyncIterable<Buffer>
  /** the file key; there once the first plaintext is */
  key(): GatheredKey
}

/**
 * Fetches a whole container into `sink` without a key.
 *
 * @throws MDM_CONTAINER when it is not the whole container the site announced; what getRaw throws
 */
export async function fetchContainer(
  session: Session,
  name: VolumeName,
  o: TransferOptions,
  sink: Sink,
): Promise<RawContainer> {
  const raw = await getRaw(session, name, o)
  const end = o.timing?.start('read')
  let head: Buffer = Buffer.alloc(0)
  let header: ContainerHeader | undefined
  let done = 0
  for await (const chunk of raw.body) {
    if (header === undefined) {
      head = Buffer.concat([head, chunk])
      header = parseContainerHeader(head)
    }
    done += chunk.length
    await sink(chunk)
    free(chunk)
    o.onProgress?.(done, raw.bytes)
  }
  end?.()
  if (
    header === undefined ||
    header.length !== done ||
    header.etag !== raw.etag ||
    header.context.guid !== raw.guid ||
    header.context.version !== raw.version
  ) {
    throw new MdmError('MDM_CONTAINER', 'what the site sent is not the whole container it announced')
  }
  return raw
}

/** Fetches a whole container into `sink` and verifies every frame on the way. @returns the key it opens with */
export async function fetchVerified(
  session: Session,
  name: VolumeName,
  o: TransferOptions,
  sink: Sink,
): Promise<{ raw: RawContainer; key: GatheredKey }> {
  const { raw, plaintext, key } = await requestContainer(session, name, o, sink)
  for await (const frame of plaintext) free(frame)
  return { raw, key: key() }
}

/**
 * Asks site and key servers at once (paper 6.2) and returns the container as plaintext.
 *
 * @throws what getRaw throws; MDM_DENIED | MDM_BELOW_THRESHOLD | MDM_COMMITMENT | MDM_CONTAINER when the plaintext is read
 */
export async function requestContainer(
  session: Session,
  name: VolumeName,
  o: TransferOptions,
  sink?: Sink,
): Promise<OpenedContainer> {
  const abort = new AbortController()
  const signal = o.signal === undefined ? abort.signal : AbortSignal.any([o.signal, abort.signal])
  const kid = Promise.withResolvers<Kid>()
  kid.promise.catch(() => {})
  const fetchKey = (guid: Guid) => {
    const key = fetchFileKey(session, guid, kid.promise, { ...o, signal })
    key.catch((error: unknown) => {
      // Too few key servers: no use in letting the site read the PACS. "Not for you" waits for the site's word.
      if (!(error instanceof MdmError) || error.code !== 'MDM_NOT_FOUND') abort.abort(error)
    })
    return key
  }
  const early = 'guid' in name ? fetchKey(name.guid) : undefined
  const raw = await getRaw(session, name, { signal, timing: o.timing }).catch((error: unknown) => {
    abort.abort(error)
    throw error
  })
  const initialised = o.timing?.start('decryption-init')
  let read: (() => void) | undefined
  let gathered: GatheredKey | undefined
  const keyFor = async (header: ContainerHeader) => {
    kid.resolve(header.context.kid)
    gathered = await (early ?? fetchKey(raw.guid)).catch((error: unknown) => {
      throw deniedKey(error)
    })
    if (gathered.manifest.version !== raw.version) {
      throw new MdmError('MDM_INTEGRITY', 'the key belongs to another version of the volume')
    }
    initialised?.()
    read = o.timing?.start('read')
    return { fileKey: gathered.fileKey, expected: { guid: raw.guid, version: raw.version, kid: raw.kid } }
  }
  const plaintext = (async function* () {
    try {
      yield* decryptContainer(passing(raw, o, sink), keyFor)
    } finally {
      initialised?.()
      read?.()
      abort.abort(new MdmError('MDM_UNREACHABLE', 'the transfer was given up'))
    }
  })()
  return { raw, plaintext, key: () => gathered! }
}

async function* passing(
  raw: RawContainer,
  o: TransferOptions,
  sink: Sink | undefined,
): AsyncGenerator<Buffer> {
  let done = 0
  for await (const chunk of raw.body) {
    await sink?.(chunk)
    o.onProgress?.(done + chunk.length, raw.bytes)
    // Whoever asks for the next chunk is done with this one, but for the header, of which readers keep parts.
    const ends = done > 0
    done += chunk.length
    yield chunk
    if (ends) free(chunk)
  }
}
