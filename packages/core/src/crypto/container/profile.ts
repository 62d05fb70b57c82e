import { z } from 'zod'
import { Guid, Kid, SiteId, Version } from '../../names.ts'
import { encodeContext, type EncryptedDataKey, type MessageHeader, refused } from './format.ts'
import { uint } from './fields.ts'
import { IV_BYTES, KEY_BYTES, MESSAGE_ID_BYTES, TAG_BYTES } from './suite.ts'

/** Plaintext bytes of every frame but the final one. */
export const FRAME_BYTES = 65_536
/** Longest header that is read, in bytes. */
export const MAX_HEADER_BYTES = 4096
/** Longest plaintext, 1 TiB. */
export const MAX_PLAINTEXT_BYTES = 2 ** 40
/** Index, initialisation vector and tag around a frame; the final frame has a mark and a length besides. */
const FRAME_OVERHEAD = 4 + IV_BYTES + TAG_BYTES
const FINAL_OVERHEAD = 4 + FRAME_OVERHEAD + 4
const CONTENT_TYPE = 'application/x-mdm-volume;v=1'
const NAMESPACE = 'mdm'

/** What a container says of itself, readable without a key and authenticated by it. */
export const ContainerContext = z.strictObject({
  guid: Guid,
  version: Version,
  kid: Kid,
  plaintextBytes: z.int().min(0).max(MAX_PLAINTEXT_BYTES),
  site: SiteId,
  /** de-identification profile */
  profile: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:+-]{0,63}$/),
})
export type ContainerContext = z.infer<typeof ContainerContext>

/** Frames of a container, at least 1: the final frame may be empty. */
export function frameCount(plaintextBytes: number): number {
  return Math.max(1, Math.ceil(plaintextBytes / FRAME_BYTES))
}

/** Plaintext bytes of frame `index`, counted from 1. */
export function framePlaintextBytes(plaintextBytes: number, index: number): number {
  return index < frameCount(plaintextBytes) ? FRAME_BYTES : plaintextBytes - (index - 1) * FRAME_BYTES
}

/** Where the record of frame `index` (from 1) lies in the container, in bytes, end exclusive. */
export function frameSpan(
  headerBytes: number,
  plaintextBytes: number,
  index: number,
): { start: number; end: number } {
  const start = headerBytes + (index - 1) * (FRAME_BYTES + FRAME_OVERHEAD)
  const overhead = index < frameCount(plaintextBytes) ? FRAME_OVERHEAD : FINAL_OVERHEAD
  return { start, end: start + framePlaintextBytes(plaintextBytes, index) + overhead }
}

/** First and last frame, from 1, that hold the plaintext bytes `start` to `end` (exclusive, beyond `start`). */
export function framesHolding(start: number, end: number): { first: number; last: number } {
  return { first: Math.floor(start / FRAME_BYTES) + 1, last: Math.ceil(end / FRAME_BYTES) }
}

/** Length of the whole container in bytes, known before the first voxel. */
export function containerLength(context: ContainerContext): number {
  return containerEnd(headerLength(context), context.plaintextBytes)
}

/** Length of a container whose header length is known, in bytes. */
export function containerEnd(headerBytes: number, plaintextBytes: number): number {
  return frameSpan(headerBytes, plaintextBytes, frameCount(plaintextBytes)).end
}

function headerLength(context: ContainerContext): number {
  const dataKey =
    2 + NAMESPACE.length + 2 + keyInfo(context.kid, Buffer.alloc(IV_BYTES)).length + 2 + KEY_BYTES + TAG_BYTES
  return (
    1 + 2 + MESSAGE_ID_BYTES + 2 + contextBytes(context).length + 2 + dataKey + 1 + 4 + KEY_BYTES + TAG_BYTES
  )
}

/** The encryption context, keys in byte order. */
export function contextBytes(c: ContainerContext): Buffer {
  return encodeContext([
    ['mdm:cty', CONTENT_TYPE],
    ['mdm:guid', c.guid],
    ['mdm:kid', c.kid],
    ['mdm:plen', String(c.plaintextBytes)],
    ['mdm:prof', c.profile],
    ['mdm:site', c.site],
    ['mdm:ver', String(c.version)],
  ])
}

/** The one encrypted data key, as a raw AES keyring of the AWS Encryption SDK writes it. */
export function dataKeyEntry(kid: Kid, iv: Buffer, wrapped: Buffer): EncryptedDataKey {
  return { namespace: NAMESPACE, info: keyInfo(kid, iv), wrapped }
}

function keyInfo(kid: Kid, iv: Buffer): Buffer {
  return Buffer.concat([Buffer.from(kid), uint(4, TAG_BYTES * 8), uint(4, IV_BYTES), iv])
}

/** What the strict rules leave of a message header. */
export interface ProfileHeader {
  readonly context: ContainerContext
  readonly iv: Buffer
  readonly wrapped: Buffer
}

/**
 * Applies our rules to a header: exactly our context in one spelling, one data key of ours, frames of 65,536 bytes.
 *
 * @throws MDM_CONTAINER with `details.fault` profile
 */
export function readProfile(header: MessageHeader): ProfileHeader {
  const found = Object.fromEntries(header.context)
  const parsed = ContainerContext.safeParse({
    guid: found['mdm:guid'],
    version: Number(found['mdm:ver']),
    kid: found['mdm:kid'],
    plaintextBytes: Number(found['mdm:plen']),
    site: found['mdm:site'],
    profile: found['mdm:prof'],
  })
  // One spelling: what we would write for these values is what must stand there, byte for byte.
  if (!parsed.success || !contextBytes(parsed.data).equals(header.contextBytes))
    throw refused('profile', 'the context is not one of ours')
  const [key, ...others] = header.dataKeys
  if (key === undefined || others.length > 0 || key.namespace !== NAMESPACE)
    throw refused('profile', 'not one data key of ours')
  const iv = key.info.subarray(-IV_BYTES)
  const ours = key.wrapped.length === KEY_BYTES + TAG_BYTES && key.info.equals(keyInfo(parsed.data.kid, iv))
  if (!ours) throw refused('profile', 'the data key is not wrapped our way')
  if (header.frameBytes !== FRAME_BYTES) throw refused('profile', 'frames of another length')
  return { context: parsed.data, iv, wrapped: key.wrapped }
}
