import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption'
import { MdmError } from '@mdm/core/errors'

/** The age format (age-encryption.org/v1) with X25519: whoever backs up holds the public key only. */
export interface BackupKey {
  /** AGE-SECRET-KEY-1..., which stays away from the servers */
  readonly identity: string
  /** age1..., which servers encrypt to */
  readonly recipient: string
}

/** Makes a key pair for backups; `age-keygen` makes the same. */
export async function createBackupKey(): Promise<BackupKey> {
  const identity = await generateX25519Identity()
  return { identity, recipient: await identityToRecipient(identity) }
}

/**
 * Encrypts a stream to public keys, in chunks of 64 KiB.
 *
 * @throws MDM_USAGE when a recipient is none
 */
export async function encryptTo(
  recipients: readonly string[],
  plaintext: AsyncIterable<Uint8Array>,
): Promise<Readable> {
  const encrypter = new Encrypter()
  for (const recipient of recipients) {
    try {
      encrypter.addRecipient(recipient)
    } catch (cause) {
      throw new MdmError('MDM_USAGE', 'a recipient is the public key of a backup key: age1...', { cause })
    }
  }
  const stream = Readable.toWeb(Readable.from(plaintext, { objectMode: false }), {
    strategy: { highWaterMark: 4 },
  }) as ReadableStream<Uint8Array<ArrayBuffer>>
  return Readable.fromWeb((await encrypter.encrypt(stream as never)) as never)
}

/**
 * Decrypts a stream; what comes out was verified chunk by chunk, and a file cut short fails at its end.
 *
 * @param identity text of a key file: one identity per line, lines with # say something
 * @throws MDM_USAGE when there is no identity in it; MDM_INTEGRITY when it is not the one, or the file was altered
 */
export async function decryptWith(identity: string, ciphertext: Readable): Promise<Readable> {
  const decrypter = new Decrypter()
  const keys = identity.split('\n').filter((line) => line.startsWith('AGE-SECRET-KEY-'))
  if (keys.length === 0) throw new MdmError('MDM_USAGE', 'the identity file holds no AGE-SECRET-KEY-...')
  try {
    for (const key of keys) decrypter.addIdentity(key.trim())
    return Readable.fromWeb((await decrypter.decrypt(Readable.toWeb(ciphertext) as never)) as never)
  } catch (cause) {
    throw new MdmError('MDM_INTEGRITY', 'this is not a backup that the identity opens', { cause })
  }
}
