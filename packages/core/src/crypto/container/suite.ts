import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hkdfSync,
  timingSafeEqual,
  type KeyObject,
} from 'node:crypto'
import { MdmError } from '../../errors.ts'

/** AES-256-GCM, HKDF-SHA-512, key commitment, no signature: the only algorithm suite that is read or written. */
export const SUITE = 0x0478
export const KEY_BYTES = 32
export const IV_BYTES = 12
export const TAG_BYTES = 16
export const MESSAGE_ID_BYTES = 32

const ALGORITHM = 'aes-256-gcm'
const GCM = { authTagLength: TAG_BYTES }
const DERIVE_INFO = Buffer.concat([Buffer.from([SUITE >> 8, SUITE & 0xff]), Buffer.from('DERIVEKEY')])
const COMMIT_INFO = Buffer.from('COMMITKEY')
const HEADER_IV = Buffer.alloc(IV_BYTES)

/** What one data key and message id give: the key of the frames, and the value that commits the message to the data key. */
export function deriveKeys(
  dataKey: Uint8Array,
  messageId: Uint8Array,
): { contentKey: KeyObject; commitment: Buffer } {
  const derived = Buffer.from(hkdfSync('sha512', dataKey, messageId, DERIVE_INFO, KEY_BYTES))
  const contentKey = createSecretKey(derived)
  derived.fill(0)
  return {
    contentKey,
    commitment: Buffer.from(hkdfSync('sha512', dataKey, messageId, COMMIT_INFO, KEY_BYTES)),
  }
}

/** AES-GCM of a data key under a wrapping key: 32 bytes and the tag. */
export function wrapDataKey(
  wrappingKey: KeyObject,
  iv: Uint8Array,
  dataKey: Uint8Array,
  aad: Uint8Array,
): Buffer {
  const cipher = createCipheriv(ALGORITHM, wrappingKey, iv, GCM).setAAD(aad)
  return Buffer.concat([cipher.update(dataKey), cipher.final(), cipher.getAuthTag()])
}

/**
 * The inverse of wrapDataKey; the caller wipes the result.
 *
 * @throws MDM_COMMITMENT when this key did not wrap these bytes
 */
export function unwrapDataKey(
  wrappingKey: KeyObject,
  iv: Uint8Array,
  wrapped: Uint8Array,
  aad: Uint8Array,
): Buffer {
  const decipher = createDecipheriv(ALGORITHM, wrappingKey, iv, GCM).setAAD(aad)
  decipher.setAuthTag(wrapped.subarray(KEY_BYTES))
  const dataKey = decipher.update(wrapped.subarray(0, KEY_BYTES))
  try {
    decipher.final()
    return dataKey
  } catch (cause) {
    dataKey.fill(0)
    throw new MdmError('MDM_COMMITMENT', undefined, { cause, details: { fault: 'data key' } })
  }
}

/** GCM tag over a header: nothing is encrypted, the header is the additional data. */
export function headerTag(contentKey: KeyObject, header: Uint8Array): Buffer {
  const cipher = createCipheriv(ALGORITHM, contentKey, HEADER_IV, GCM).setAAD(header)
  cipher.final()
  return cipher.getAuthTag()
}

/** Seals and opens frames under one content key (message format: framed data); at most once per index when sealing. */
export class FrameCipher {
  readonly #key: KeyObject
  readonly #iv = Buffer.alloc(IV_BYTES)
  readonly #regular: Buffer
  readonly #final: Buffer

  constructor(contentKey: KeyObject, messageId: Uint8Array) {
    this.#key = contentKey
    this.#regular = aad(messageId, 'AWSKMSEncryptionClient Frame')
    this.#final = aad(messageId, 'AWSKMSEncryptionClient Final Frame')
  }

  /** Writes ciphertext and tag into `record` from `offset` on. */
  seal(index: number, final: boolean, plaintext: Uint8Array, record: Buffer, offset: number): void {
    this.#iv.writeUInt32BE(index, 8)
    const cipher = createCipheriv(ALGORITHM, this.#key, this.#iv, GCM)
    cipher.setAAD(this.#aadOf(index, final, plaintext.length))
    const ciphertext = cipher.update(plaintext)
    record.set(ciphertext, offset)
    // Freed now and not by the collector later: a third less memory at peak, and faster.
    if (ciphertext.buffer.byteLength === ciphertext.length) (ciphertext.buffer as ArrayBuffer).transfer(0)
    cipher.final()
    record.set(cipher.getAuthTag(), offset + plaintext.length)
  }

  /** @throws MDM_CONTAINER when the tag is wrong; nothing of the plaintext is left then */
  open(index: number, final: boolean, iv: Uint8Array, ciphertext: Uint8Array, tag: Uint8Array): Buffer {
    const decipher = createDecipheriv(ALGORITHM, this.#key, iv, GCM)
    decipher.setAAD(this.#aadOf(index, final, ciphertext.length)).setAuthTag(tag)
    const plaintext = decipher.update(ciphertext)
    try {
      decipher.final()
      return plaintext
    } catch (cause) {
      plaintext.fill(0)
      throw new MdmError('MDM_CONTAINER', `frame ${index} is not what was sealed`, {
        cause,
        details: { fault: 'frame tag' },
      })
    }
  }

  #aadOf(index: number, final: boolean, length: number): Buffer {
    const bytes = final ? this.#final : this.#regular
    bytes.writeUInt32BE(index, bytes.length - 12)
    bytes.writeUInt32BE(length, bytes.length - 4)
    return bytes
  }
}

/** Message id, text, and room for u32 index and u64 length (whose upper half stays 0: a frame is shorter than 4 GiB). */
function aad(messageId: Uint8Array, text: string): Buffer {
  return Buffer.concat([messageId, Buffer.from(text), Buffer.alloc(12)])
}

/** Constant time where the lengths are equal, which they are for all that is compared with it. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}
