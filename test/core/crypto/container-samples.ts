import { createSecretKey, randomBytes, type KeyObject } from 'node:crypto'
import type { ContainerContext } from '@mdm/core/crypto/container/profile'
import { decryptContainer, type ExpectedContainer } from '@mdm/core/crypto/container/reader'
import { encryptContainer } from '@mdm/core/crypto/container/writer'
import { newGuid, newKid, type SiteId } from '@mdm/core/names'

/** A made-up context for a plaintext of the length given. */
export function sampleContext(
  plaintextBytes: number,
  changes: Partial<ContainerContext> = {},
): ContainerContext {
  return {
    guid: newGuid(),
    version: 1,
    kid: newKid(),
    plaintextBytes,
    site: 'demo' as SiteId,
    profile: 'mdm-1',
    ...changes,
  }
}

export const randomKey = (): KeyObject => createSecretKey(randomBytes(32))

/** The bytes in pieces of `size`, as a network would bring them. */
export async function* inPieces(bytes: Uint8Array, size = bytes.length): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

export async function gather(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of stream) pieces.push(piece)
  return Buffer.concat(pieces)
}

export async function seal(
  context: ContainerContext,
  fileKey: KeyObject,
  plaintext: Uint8Array,
): Promise<Buffer> {
  return await gather(encryptContainer(context, fileKey, inPieces(plaintext)))
}

export async function open(
  container: Uint8Array,
  fileKey: KeyObject,
  expected: ExpectedContainer,
  pieces?: number,
): Promise<Buffer> {
  return await gather(decryptContainer(inPieces(container, pieces), async () => ({ fileKey, expected })))
}
