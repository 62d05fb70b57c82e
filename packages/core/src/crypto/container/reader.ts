import type { KeyObject } from 'node:crypto'
import { MdmError } from '../../errors.ts'
import type { Guid, Kid, Version } from '../../names.ts'
import { FINAL_FRAME, type MessageHeader, openHeader, parseMessageHeader, refused } from './format.ts'
import { Intake } from './intake.ts'
import {
  containerEnd,
  type ContainerContext,
  frameCount,
  framePlaintextBytes,
  frameSpan,
  MAX_HEADER_BYTES,
  type ProfileHeader,
  readProfile,
} from './profile.ts'
import { FrameCipher, IV_BYTES, KEY_BYTES, TAG_BYTES, unwrapDataKey } from './suite.ts'

/** A header of our profile, not yet authenticated: openContainer does that. */
export interface ContainerHeader {
  readonly context: ContainerContext
  readonly headerBytes: number
  readonly messageId: Buffer
  /** base64url of the message id, without quotes */
  readonly etag: string
  /** bytes of the whole container */
  readonly length: number
  readonly frames: number
  readonly message: MessageHeader
  readonly dataKey: Pick<ProfileHeader, 'iv' | 'wrapped'>
}

/** What the caller asked for; a container of anything else is refused. */
export interface ExpectedContainer {
  readonly guid: Guid
  readonly version?: Version | undefined
  readonly kid?: Kid | undefined
}

export interface ContainerOpener {
  /**
   * @param index  from 1, in any order and as often as wanted
   * @param record the bytes of frameSpan(header.headerBytes, plaintextBytes, index)
   * @returns the plaintext of the frame
   * @throws MDM_CONTAINER when the record is not this frame as it was sealed
   */
  openFrame(index: number, record: Uint8Array): Buffer
  /** Forgets the key; nothing can be opened afterwards. */
  wipe(): void
}

/**
 * Reads the header of a container without a key.
 *
 * @param bytes the beginning of the container; not kept
 * @returns undefined while more bytes are needed, 4 KiB at the most
 * @throws MDM_CONTAINER when malformed or not of our profile
 */
export function parseContainerHeader(bytes: Uint8Array): ContainerHeader | undefined {
  const head = Buffer.from(bytes.subarray(0, MAX_HEADER_BYTES))
  const message = parseMessageHeader(head)
  if (message === undefined) {
    if (bytes.length >= MAX_HEADER_BYTES) throw refused('header', 'the header is longer than 4 KiB')
    return undefined
  }
  const { context, iv, wrapped } = readProfile(message)
  const { messageId, headerBytes } = message
  return {
    context,
    headerBytes,
    messageId,
    etag: messageId.toString('base64url'),
    length: containerEnd(headerBytes, context.plaintextBytes),
    frames: frameCount(context.plaintextBytes),
    message,
    dataKey: { iv, wrapped },
  }
}

/**
 * Opens a container: data key, key commitment and header tag are checked before any frame can be.
 *
 * @throws MDM_CONTAINER when it is not the container asked for, or its header was altered
 * @throws MDM_COMMITMENT when the file key is not its key
 */
export function openContainer(
  header: ContainerHeader,
  fileKey: KeyObject,
  expected: ExpectedContainer,
): ContainerOpener {
  const { context, message } = header
  const { guid, version = context.version, kid = context.kid } = expected
  if (context.guid !== guid || context.version !== version || context.kid !== kid) {
    throw refused('other container', 'this is the container of another volume, version or key')
  }
  if (fileKey.type !== 'secret' || fileKey.symmetricKeySize !== KEY_BYTES)
    throw new MdmError('MDM_INTERNAL', 'a file key has 32 bytes')
  const dataKey = unwrapDataKey(fileKey, header.dataKey.iv, header.dataKey.wrapped, message.contextBytes)
  try {
    return new Opener(header, openHeader(message, dataKey))
  } finally {
    dataKey.fill(0)
  }
}

/**
 * Decrypts a container as it comes: each frame is released once its tag is right, the last one once the stream has ended.
 *
 * @param keyFor finds the file key for a header, and says what was asked for
 * @returns the plaintext; it is whole only when this ends without an error
 * @throws MDM_CONTAINER at the first fault, also when cut short or continued; MDM_COMMITMENT; what `keyFor` throws
 */
export async function* decryptContainer(
  ciphertext: AsyncIterable<Uint8Array>,
  keyFor: (header: ContainerHeader) => Promise<{ fileKey: KeyObject; expected: ExpectedContainer }>,
): AsyncGenerator<Buffer> {
  const intake = new Intake(ciphertext)
  let opener: ContainerOpener | undefined
  try {
    const header = await takeHeader(intake)
    const { fileKey, expected } = await keyFor(header)
    opener = openContainer(header, fileKey, expected)
    for (let index = 1; index < header.frames; index++)
      yield opener.openFrame(index, await takeFrame(intake, header, index))
    const last = opener.openFrame(header.frames, await takeFrame(intake, header, header.frames))
    if ((await intake.next()) !== undefined)
      throw refused('trailing bytes', 'something follows the final frame')
    if (last.length > 0) yield last
  } finally {
    opener?.wipe()
    await intake.close()
  }
}

async function takeHeader(intake: Intake): Promise<ContainerHeader> {
  let head: Uint8Array = Buffer.alloc(0)
  for (;;) {
    const chunk = await intake.next()
    if (chunk === undefined) throw refused('truncated', 'the header is cut short')
    head = head.length === 0 ? chunk : Buffer.concat([head, chunk])
    const header = parseContainerHeader(head)
    if (header === undefined) continue
    intake.unread(head.subarray(header.headerBytes))
    return header
  }
}

async function takeFrame(
  intake: Intake,
  { headerBytes, context }: ContainerHeader,
  index: number,
): Promise<Uint8Array> {
  const { start, end } = frameSpan(headerBytes, context.plaintextBytes, index)
  const record = await intake.take(end - start)
  if (record.length < end - start)
    throw refused(
      'truncated',
      `the container ends in frame ${index} of ${frameCount(context.plaintextBytes)}`,
    )
  return record
}

class Opener implements ContainerOpener {
  readonly #frames: number
  readonly #plaintextBytes: number
  #cipher: FrameCipher | undefined

  constructor(header: ContainerHeader, contentKey: KeyObject) {
    this.#frames = header.frames
    this.#plaintextBytes = header.context.plaintextBytes
    this.#cipher = new FrameCipher(contentKey, header.messageId)
  }

  openFrame(index: number, record: Uint8Array): Buffer {
    if (this.#cipher === undefined) throw new MdmError('MDM_INTERNAL', 'this container is closed')
    if (!Number.isInteger(index) || index < 1 || index > this.#frames)
      throw new MdmError('MDM_INTERNAL', `there is no frame ${index}`)
    const { start, end } = frameSpan(0, this.#plaintextBytes, index)
    if (record.length !== end - start) throw refused('length', `frame ${index} has another length`)
    const bytes = Buffer.from(record.buffer, record.byteOffset, record.length)
    const final = index === this.#frames
    if (final && bytes.readUInt32BE(0) !== FINAL_FRAME)
      throw refused('sequence', 'the final frame is not marked so')
    const at = final ? 4 : 0
    if (bytes.readUInt32BE(at) !== index) throw refused('sequence', `frame ${index} is not where it belongs`)
    const iv = bytes.subarray(at + 4, at + 4 + IV_BYTES)
    if (!isFrameIv(iv, index)) throw refused('iv', `frame ${index} has an initialisation vector of its own`)
    const length = framePlaintextBytes(this.#plaintextBytes, index)
    const body = record.length - TAG_BYTES - length
    if (final && bytes.readUInt32BE(body - 4) !== length)
      throw refused('length', 'the final frame has another length')
    return this.#cipher.open(
      index,
      final,
      iv,
      bytes.subarray(body, body + length),
      bytes.subarray(body + length),
    )
  }

  wipe(): void {
    this.#cipher = undefined
  }
}

/** A frame's initialisation vector is its index: eight zero bytes and u32. */
function isFrameIv(iv: Buffer, index: number): boolean {
  return iv.readUInt32BE(0) === 0 && iv.readUInt32BE(4) === 0 && iv.readUInt32BE(8) === index
}
