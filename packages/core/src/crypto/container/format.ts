import type { KeyObject } from 'node:crypto'
import { MdmError } from '../../errors.ts'
import { Cursor, Short, sized, uint } from './fields.ts'
import {
  deriveKeys,
  FrameCipher,
  headerTag,
  IV_BYTES,
  KEY_BYTES,
  MESSAGE_ID_BYTES,
  sameBytes,
  SUITE,
  TAG_BYTES,
} from './suite.ts'

export interface EncryptedDataKey {
  readonly namespace: string
  readonly info: Buffer
  readonly wrapped: Buffer
}

/** The header of a framed message, AWS Encryption SDK message format version 2, suite 0x0478; nothing of it verified yet. */
export interface MessageHeader {
  readonly messageId: Buffer
  /** count and entries of the encryption context as they stand in the header */
  readonly contextBytes: Buffer
  readonly context: readonly (readonly [key: string, value: string])[]
  readonly dataKeys: readonly EncryptedDataKey[]
  readonly frameBytes: number
  readonly commitment: Buffer
  /** everything before the tag, which authenticates it */
  readonly authenticated: Buffer
  readonly tag: Buffer
  readonly headerBytes: number
}

const VERSION = 2
const FRAMED = 2
/** Stands in place of the index in front of the final frame. */
export const FINAL_FRAME = 0xffffffff

/**
 * Reads the header of any framed message of our suite.
 *
 * @returns undefined while `bytes` end before the header does
 * @throws MDM_CONTAINER with `details.fault` version, suite, unframed or header
 */
export function parseMessageHeader(bytes: Uint8Array): MessageHeader | undefined {
  const cursor = new Cursor(bytes)
  try {
    return readHeader(cursor)
  } catch (error) {
    if (error instanceof Short) return undefined
    throw error
  }
}

function readHeader(c: Cursor): MessageHeader {
  if (c.uint(1) !== VERSION) throw refused('version', 'this is not a container of version 2')
  const suite = c.uint(2)
  if (suite !== SUITE)
    throw refused(
      'suite',
      `algorithm suite 0x${suite.toString(16).padStart(4, '0')} is not read, only 0x0478`,
    )
  const messageId = c.take(MESSAGE_ID_BYTES)
  const contextBytes = c.take(c.uint(2))
  const dataKeys: EncryptedDataKey[] = []
  const count = c.uint(2)
  if (count === 0) throw refused('header', 'no encrypted data key')
  while (dataKeys.length < count) {
    const namespace = c.take(c.uint(2)).toString()
    dataKeys.push({ namespace, info: c.take(c.uint(2)), wrapped: c.take(c.uint(2)) })
  }
  const content = c.uint(1)
  if (content !== FRAMED) throw refused('unframed', 'a message without frames is not read')
  const frameBytes = c.uint(4)
  if (frameBytes === 0) throw refused('header', 'frames of no length')
  const commitment = c.take(KEY_BYTES)
  const authenticated = c.since(0)
  const tag = c.take(TAG_BYTES)
  const context = readContext(contextBytes)
  return {
    messageId,
    contextBytes,
    context,
    dataKeys,
    frameBytes,
    commitment,
    authenticated,
    tag,
    headerBytes: c.at,
  }
}

function readContext(bytes: Buffer): [string, string][] {
  if (bytes.length === 0) return []
  const c = new Cursor(bytes)
  const entries: [string, string][] = []
  try {
    const count = c.uint(2)
    while (entries.length < count) entries.push([c.take(c.uint(2)).toString(), c.take(c.uint(2)).toString()])
  } catch (error) {
    if (!(error instanceof Short)) throw error
    throw refused('header', 'the encryption context is cut short')
  }
  if (c.at !== bytes.length || entries.length === 0)
    throw refused('header', 'the encryption context has a wrong length')
  if (new Set(entries.map(([key]) => key)).size !== entries.length)
    throw refused('header', 'a key twice in the encryption context')
  return entries
}

/** Count and entries of an encryption context, in the order given, which must be the byte order of the keys; none are no bytes. */
export function encodeContext(entries: readonly (readonly [string, string])[]): Buffer {
  if (entries.length === 0) return Buffer.alloc(0)
  return Buffer.concat([
    uint(2, entries.length),
    ...entries.flat().flatMap((text) => sized(Buffer.from(text))),
  ])
}

/** Writes a header up to the commitment; headerTag over it completes it. */
export function encodeHeader(
  o: Omit<MessageHeader, 'context' | 'authenticated' | 'tag' | 'headerBytes'>,
): Buffer {
  return Buffer.concat([
    Buffer.from([VERSION]),
    uint(2, SUITE),
    o.messageId,
    ...sized(o.contextBytes),
    uint(2, o.dataKeys.length),
    ...o.dataKeys.flatMap((k) => [...sized(Buffer.from(k.namespace)), ...sized(k.info), ...sized(k.wrapped)]),
    Buffer.from([FRAMED]),
    uint(4, o.frameBytes),
    o.commitment,
  ])
}

/**
 * The content key of a message: first the key commitment, in constant time, then the tag of the header.
 *
 * @throws MDM_COMMITMENT when the message was sealed under another data key
 * @throws MDM_CONTAINER when the header was altered
 */
export function openHeader(header: MessageHeader, dataKey: Uint8Array): KeyObject {
  const { contentKey, commitment } = deriveKeys(dataKey, header.messageId)
  if (!sameBytes(commitment, header.commitment))
    throw new MdmError('MDM_COMMITMENT', undefined, { details: { fault: 'commitment' } })
  if (!sameBytes(headerTag(contentKey, header.authenticated), header.tag))
    throw refused('header tag', 'the header is not what was sealed')
  return contentKey
}

/**
 * Opens a whole message in memory, of any frame length and context: for messages of other programs, never for our containers.
 *
 * @param dataKeyOf finds the data key of 32 bytes
 * @returns the plaintext, frame by frame
 * @throws MDM_CONTAINER | MDM_COMMITMENT
 */
export function* openMessage(
  message: Uint8Array,
  dataKeyOf: (header: MessageHeader) => Uint8Array,
): Generator<Buffer> {
  const header = parseMessageHeader(message)
  if (header === undefined) throw refused('truncated', 'the header is cut short')
  const cipher = new FrameCipher(openHeader(header, dataKeyOf(header)), header.messageId)
  const c = new Cursor(message, header.headerBytes)
  try {
    for (let index = 1; ; index++) {
      const first = c.uint(4)
      const final = first === FINAL_FRAME
      if ((final ? c.uint(4) : first) !== index)
        throw refused('sequence', `frame ${index} is not where it belongs`)
      const iv = c.take(IV_BYTES)
      const length = final ? c.uint(4) : header.frameBytes
      if (length > header.frameBytes) throw refused('length', 'the final frame is longer than a frame')
      yield cipher.open(index, final, iv, c.take(length), c.take(TAG_BYTES))
      if (final) break
    }
  } catch (error) {
    if (error instanceof Short) throw refused('truncated', 'the message is cut short')
    throw error
  }
  if (c.at !== message.length) throw refused('trailing bytes', 'something follows the final frame')
}

/** MDM_CONTAINER with the rule that was broken in `details.fault`. */
export function refused(fault: string, message: string): MdmError {
  return new MdmError('MDM_CONTAINER', message, { details: { fault } })
}
