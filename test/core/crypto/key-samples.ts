import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { createFileKey, type FileKeyOptions } from '@mdm/core/crypto/file-key'
import { type KeyManifest, verifyManifest } from '@mdm/core/crypto/manifest'
import { newGuid, newKid, type KeyServerId, type SiteId } from '@mdm/core/names'

export const signer = { kid: 'sign-1', key: generateKeyPairSync('ed25519').privateKey }

export const newServers = (n: number): KeyServerId[] =>
  Array.from({ length: n }, () => randomBytes(32).toString('hex') as KeyServerId)

/** Options for a new key, 3 of 5 unless changed. */
export function sampleOptions(changes: Partial<FileKeyOptions> = {}): FileKeyOptions {
  const n = changes.n ?? 5
  const base = {
    site: 'demo' as SiteId,
    guid: newGuid(),
    version: 1,
    kid: newKid(),
    epoch: 1,
    m: 3,
    n,
    servers: newServers(n),
    signer,
  }
  return { ...base, ...changes }
}

/** A new key, its manifest read back, and its shares as key servers would release them. */
export async function sampleKey(changes: Partial<FileKeyOptions> = {}) {
  const options = sampleOptions(changes)
  const created = await createFileKey(options)
  const manifest: KeyManifest = await verifyManifest(created.manifest, [options.signer], {})
  const released = options.servers.map((server, i) => ({ server, share: created.shares[i]! }))
  return { ...created, options, jws: created.manifest, manifest, released }
}
