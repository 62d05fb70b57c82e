import { randomBytes, type KeyObject } from 'node:crypto'
import { MdmError } from '../../errors.ts'
import { encodeHeader, FINAL_FRAME } from './format.ts'
import { Intake } from './intake.ts'
import {
  ContainerContext,
  containerEnd,
  contextBytes,
  dataKeyEntry,
  FRAME_BYTES,
  frameCount,
  framePlaintextBytes,
  frameSpan,
} from './profile.ts'
import {
  deriveKeys,
  FrameCipher,
  headerTag,
  IV_BYTES,
  KEY_BYTES,
  MESSAGE_ID_BYTES,
  wrapDataKey,
} from './suite.ts'

/** Seals one container: its header and length at once, its frames in any order. */
export interface ContainerWriter {
  readonly header: Buffer
  readonly messageId: Buffer
  /** base64url of the message id, without quotes */
  readonly etag: string
  /** bytes of the whole container */
  readonly length: number
  readonly frames: number
  /**
   * @param index     from 1 to `frames`, each at most once: sealing twice under one key would give both plaintexts away
   * @param plaintext 65,536 bytes, for the last frame the rest
   * @returns the whole frame record, which belongs at frameSpan(...).start
   * @throws MDM_INTERNAL for an index outside, or used before, or another length, or after wipe()
   */
  sealFrame(index: number, plaintext: Uint8Array): Buffer
  /** Forgets the keys; nothing can be sealed afterwards. */
  wipe(): void
}

/** The random parts of a container; createContainer makes new ones each time, and a container must never share them. */
export interface ContainerSeed {
  readonly messageId: Buffer
  readonly dataKey: Buffer
  readonly iv: Buffer
}

/**
 * Begins a new container (security: docs/formats/container.md): new message id, new data key, wrapped under the file key.
 *
 * @param fileKey 32 bytes
 * @throws MDM_INTERNAL when the context or the key is not of the form
 */
export function createContainer(context: ContainerContext, fileKey: KeyObject): ContainerWriter {
  if (fileKey.type !== 'secret' || fileKey.symmetricKeySize !== KEY_BYTES)
    throw new MdmError('MDM_INTERNAL', 'a file key has 32 bytes')
  const checked = ContainerContext.safeParse(context)
  if (!checked.success)
    throw new MdmError('MDM_INTERNAL', 'the container context is not of the form', { cause: checked.error })
  const seed = {
    messageId: randomBytes(MESSAGE_ID_BYTES),
    dataKey: randomBytes(KEY_BYTES),
    iv: randomBytes(IV_BYTES),
  }
  try {
    const { header, contentKey } = sealHeader(checked.data, fileKey, seed)
    return new Writer(checked.data, header, seed.messageId, contentKey)
  } finally {
    seed.dataKey.fill(0)
  }
}

/** The header of a container as a function of everything that is in it; createContainer is what to call. */
export function sealHeader(
  context: ContainerContext,
  fileKey: KeyObject,
  seed: ContainerSeed,
): { header: Buffer; contentKey: KeyObject } {
  const bytes = contextBytes(context)
  const { contentKey, commitment } = deriveKeys(seed.dataKey, seed.messageId)
  const wrapped = wrapDataKey(fileKey, seed.iv, seed.dataKey, bytes)
  const dataKeys = [dataKeyEntry(context.kid, seed.iv, wrapped)]
  const head = encodeHeader({
    messageId: seed.messageId,
    contextBytes: bytes,
    dataKeys,
    frameBytes: FRAME_BYTES,
    commitment,
  })
  return { header: Buffer.concat([head, headerTag(contentKey, head)]), contentKey }
}

/**
 * Encrypts a plaintext of known length as it comes.
 *
 * @param plaintext exactly `context.plaintextBytes` bytes in chunks of any size
 * @returns header and frame records; the final frame only when the plaintext ended where it should
 * @throws MDM_INTERNAL when the plaintext is longer or shorter
 */
export async function* encryptContainer(
  context: ContainerContext,
  fileKey: KeyObject,
  plaintext: AsyncIterable<Uint8Array>,
): AsyncGenerator<Buffer> {
  const writer = createContainer(context, fileKey)
  const intake = new Intake(plaintext)
  try {
    yield writer.header
    for (let index = 1; index < writer.frames; index++)
      yield writer.sealFrame(index, await intake.take(FRAME_BYTES))
    const rest = Buffer.from(await intake.take(framePlaintextBytes(context.plaintextBytes, writer.frames)))
    if ((await intake.next()) !== undefined)
      throw new MdmError('MDM_INTERNAL', 'the plaintext is longer than was said')
    yield writer.sealFrame(writer.frames, rest)
    rest.fill(0)
  } finally {
    writer.wipe()
    await intake.close()
  }
}

class Writer implements ContainerWriter {
  readonly header: Buffer
  readonly messageId: Buffer
  readonly etag: string
  readonly length: number
  readonly frames: number
  readonly #plaintextBytes: number
  /** one bit a frame */
  readonly #sealed: Uint8Array
  #cipher: FrameCipher | undefined

  constructor(context: ContainerContext, header: Buffer, messageId: Buffer, contentKey: KeyObject) {
    this.header = header
    this.messageId = messageId
    this.etag = messageId.toString('base64url')
    this.length = containerEnd(header.length, context.plaintextBytes)
    this.frames = frameCount(context.plaintextBytes)
    this.#plaintextBytes = context.plaintextBytes
    this.#sealed = new Uint8Array(Math.ceil(this.frames / 8))
    this.#cipher = new FrameCipher(contentKey, messageId)
  }

  sealFrame(index: number, plaintext: Uint8Array): Buffer {
    if (this.#cipher === undefined) throw new MdmError('MDM_INTERNAL', 'this container is closed')
    if (!Number.isInteger(index) || index < 1 || index > this.frames)
      throw new MdmError('MDM_INTERNAL', `there is no frame ${index}`)
    if (plaintext.length !== framePlaintextBytes(this.#plaintextBytes, index)) {
      throw new MdmError('MDM_INTERNAL', `frame ${index} has another length`)
    }
    this.#claim(index)
    const { start, end } = frameSpan(0, this.#plaintextBytes, index)
    const record = Buffer.allocUnsafe(end - start)
    const final = index === this.frames
    const mark = final ? record.writeUInt32BE(FINAL_FRAME, 0) : 0
    record.writeUInt32BE(index, mark)
    record.fill(0, mark + 4, mark + 12)
    record.writeUInt32BE(index, mark + 12)
    const body = final ? record.writeUInt32BE(plaintext.length, mark + 16) : mark + 16
    this.#cipher.seal(index, final, plaintext, record, body)
    return record
  }

  /** Before sealing, so that a throw half way cannot lead to a second sealing either. */
  #claim(index: number): void {
    const byte = (index - 1) >> 3
    const bit = 1 << ((index - 1) & 7)
    if ((this.#sealed[byte]! & bit) !== 0)
      throw new MdmError('MDM_INTERNAL', `frame ${index} was sealed before`)
    this.#sealed[byte]! |= bit
  }

  /** Node clears the memory of a KeyObject when nothing refers to it any more. */
  wipe(): void {
    this.#cipher = undefined
  }
}
