import type { KeyObject } from 'node:crypto'
import {
  decryptContainer,
  parseContainerHeader,
  type ContainerHeader,
  type ExpectedContainer,
} from '../crypto/container/reader.ts'
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

/** A container on its way, decrypted as it comes. */
export interface OpenedContainer {
  readonly raw: RawContainer
  /** the NRRD plaintext, each frame verified; its end means that the final frame was right */
  readonly plaintext: AsyncIterable<Buffer>
  /** the file key; there once the first plaintext is */
  key(): GatheredKey
}

/** The answer to a get, and the way to the key of what it brings. */
export interface KeyedReply {
  readonly raw: RawContainer
  /** finds the key for a header; @throws MDM_DENIED | MDM_BELOW_THRESHOLD | MDM_COMMITMENT */
  keyFor(header: ContainerHeader): Promise<{ fileKey: KeyObject; expected: ExpectedContainer }>
  /** the file key; there once keyFor has found it */
  key(): GatheredKey
  /** ends what is still asked for; to be called when the body has been read or is not wanted */
  end(): void
}

/** Whatever an earlier get left: its key, and where to go on if the site still has that container. */
export interface Continuation {
  readonly start: number
  readonly etag: string
  readonly key: GatheredKey
}

/** Asks for a whole container and opens it as it comes; its plaintext is whole only when it ends without an error. */
export async function requestContainer(
  session: Session,
  name: VolumeName,
  o: TransferOptions,
): Promise<OpenedContainer> {
  const reply = await requestKeyed(session, name, o)
  const plaintext = (async function* () {
    try {
      yield* decryptContainer(arriving(reply.raw, o), reply.keyFor)
    } finally {
      reply.end()
    }
  })()
  return { raw: reply.raw, plaintext, key: reply.key }
}

/**
 * Asks site and key servers at once (paper 6.2).
 *
 * @throws what getRaw throws; the key's own errors come from `keyFor`
 */
export async function requestKeyed(
  session: Session,
  name: VolumeName,
  o: TransferOptions,
  from?: Continuation,
): Promise<KeyedReply> {
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
  const early = 'guid' in name && from === undefined ? fetchKey(name.guid) : undefined
  const range = from === undefined ? {} : { range: { start: from.start }, ifRange: from.etag }
  const raw = await getRaw(session, name, { signal, timing: o.timing, ...range }).catch((error: unknown) => {
    abort.abort(error)
    throw error
  })
  const initialised = o.timing?.start('decryption-init')
  let read: (() => void) | undefined
  let gathered: GatheredKey | undefined
  return {
    raw,
    key: () => gathered!,
    async keyFor({ context }) {
      kid.resolve(context.kid)
      const known =
        from?.key.manifest.kid === context.kid && from.key.manifest.guid === raw.guid ? from.key : undefined
      gathered = await Promise.resolve(known ?? early ?? fetchKey(raw.guid)).catch((error: unknown) => {
        throw deniedKey(session, error)
      })
      if (gathered.manifest.version !== raw.version) {
        throw new MdmError('MDM_INTEGRITY', 'the key belongs to another version of the volume')
      }
      initialised?.()
      read = o.timing?.start('read')
      return {
        fileKey: gathered.fileKey,
        expected: { guid: raw.guid, version: raw.version, kid: raw.kid },
      }
    },
    end() {
      initialised?.()
      read?.()
      abort.abort(new MdmError('MDM_UNREACHABLE', 'the transfer was given up'))
    },
  }
}

/** The ciphertext as it arrives, with progress; a chunk is its reader's only until the next one is asked for. */
export async function* arriving(raw: RawContainer, o: TransferOptions): AsyncGenerator<Buffer> {
  let done = raw.start
  for await (const chunk of raw.body) {
    o.onProgress?.(done + chunk.length, raw.bytes)
    // Whoever asks for the next chunk is done with this one, but for the header, of which readers keep parts.
    const ends = done > 0
    done += chunk.length
    yield chunk
    if (ends) free(chunk)
  }
}

/**
 * The ciphertext as it arrives, without a key.
 *
 * @throws MDM_CONTAINER at its end when that was not the whole container the site announced
 */
export async function* announced(raw: RawContainer, o: TransferOptions): AsyncGenerator<Buffer> {
  let head: Buffer = Buffer.alloc(0)
  let header: ContainerHeader | undefined
  let done = 0
  for await (const chunk of arriving(raw, o)) {
    if (header === undefined) {
      head = Buffer.concat([head, chunk])
      header = parseContainerHeader(head)
    }
    done += chunk.length
    yield chunk
  }
  if (header === undefined || header.length !== done) throw notAnnounced()
  requireAnnounced(header, raw)
}

/** @throws MDM_CONTAINER when a header is not of the container that the site announced */
export function requireAnnounced({ etag, length, context }: ContainerHeader, raw: RawContainer): void {
  const same =
    etag === raw.etag && length === raw.bytes && context.guid === raw.guid && context.version === raw.version
  if (!same) throw notAnnounced()
}

export function notAnnounced(): MdmError {
  return new MdmError('MDM_CONTAINER', 'what the site sent is not the whole container it announced')
}
