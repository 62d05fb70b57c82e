import { createCipheriv, createDecipheriv, randomBytes, type KeyObject } from 'node:crypto'
import { z } from 'zod'
import { Sha256, type Guid, type Kid } from '@mdm/core/names'

/** What a site tells itself beside each share: of which volume of its source the key is, and of which content. */
const Note = z.strictObject({ volumeKey: Sha256, contentDigest: Sha256 })
export type Note = z.infer<typeof Note>

const NONCE_BYTES = 12
const TAG_BYTES = 16

/**
 * Seals a note under a key of the site (AES-256-GCM, bound to GUID and kid): key servers keep it and learn nothing from it, not
 * even that two keys are of one volume.
 *
 * @returns base64 of nonce, tag, ciphertext; the same length for every volume
 */
export function sealNote(key: KeyObject, of: { guid: Guid; kid: Kid }, note: Note): string {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES }).setAAD(context(of))
  const { volumeKey, contentDigest } = note
  const sealed = Buffer.concat([cipher.update(JSON.stringify({ volumeKey, contentDigest })), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64')
}

/** @returns undefined for what this site did not seal for this key */
export function openNote(key: KeyObject, of: { guid: Guid; kid: Kid }, text: string): Note | undefined {
  try {
    const sealed = Buffer.from(text, 'base64')
    const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES), {
      authTagLength: TAG_BYTES,
    })
    decipher.setAAD(context(of)).setAuthTag(sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
    const plain = Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()])
    return Note.parse(JSON.parse(plain.toString('utf8')))
  } catch {
    return undefined
  }
}

function context({ guid, kid }: { guid: Guid; kid: Kid }): Buffer {
  return Buffer.from(`mdm-registration-note-v1|${guid}|${kid}`)
}
