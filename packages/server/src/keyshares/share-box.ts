import { createCipheriv, createDecipheriv, randomBytes, type KeyObject } from 'node:crypto'
import { MdmError } from '@mdm/core/errors'

/** Which share: bound to its ciphertext, so that rows cannot be swapped unseen. */
export interface ShareName {
  readonly guid: string
  readonly kid: string
  readonly epoch: number
}

const NONCE_BYTES = 12
const TAG_BYTES = 16

/**
 * Encrypts a share for the store (AES-256-GCM, NIST SP 800-38D), so that a stolen disk without the key file holds none.
 *
 * @param key the store key of this server, 32 bytes
 * @returns nonce (12), tag (16), ciphertext
 */
export function sealShare(key: KeyObject, name: ShareName, share: Buffer): Buffer {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES }).setAAD(context(name))
  const sealed = Buffer.concat([cipher.update(share), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed])
}

/** @throws MDM_INTEGRITY when the row was altered or moved, or sealed under another key */
export function openShare(key: KeyObject, name: ShareName, sealed: Buffer): Buffer {
  try {
    const nonce = sealed.subarray(0, NONCE_BYTES)
    const tag = sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES)
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
    decipher.setAAD(context(name)).setAuthTag(tag)
    return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()])
  } catch (cause) {
    throw new MdmError('MDM_INTEGRITY', 'a stored share does not open', { cause })
  }
}

function context({ guid, kid, epoch }: ShareName): Buffer {
  return Buffer.from(`mdm-stored-share-v1|${guid}|${kid}|${epoch}`)
}
