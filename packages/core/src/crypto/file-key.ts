import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto'
import { MdmError } from '../errors.ts'
import type { Guid, Kid, KeyServerId, SiteId, Version } from '../names.ts'
import { checkShare, isCommitted, keyCheckValue, type KeyManifest, signManifest } from './manifest.ts'
import { combineSecret, isThreshold, SECRET_BYTES, type ShamirShare, splitSecret } from './shamir.ts'
import { decodeShareEnvelope, encodeShareEnvelope, shareDigest } from './share-envelope.ts'

/** A share as a key server released it, not yet checked. */
export interface ReleasedShare {
  readonly server: KeyServerId
  readonly share: Uint8Array
}

export interface FileKeyOptions {
  readonly site: SiteId
  readonly guid: Guid
  readonly version: Version
  readonly kid: Kid
  /** 1 for a new key, one more for each re-split of the same key */
  readonly epoch: number
  /** shares that rebuild the key; 3 of 5 is the product's default (W1: 2 <= m < n <= 32) */
  readonly m: number
  readonly n: number
  /** n key servers; the share at x = position + 1 is for this one */
  readonly servers: readonly KeyServerId[]
  readonly signer: { readonly kid: string; readonly key: KeyObject }
  /** the key to split again, when it exists */
  readonly fileKey?: KeyObject
}

export interface CreatedFileKey {
  readonly fileKey: KeyObject
  /** one envelope of 124 bytes for each server, in their order; the caller wipes them once stored */
  readonly shares: Buffer[]
  /** the signed manifest, a JWS */
  readonly manifest: string
}

/**
 * Makes a file key, splits it, and signs the manifest of the split (paper 3.3). Nothing is returned before the envelopes have
 * given the key back (W3).
 *
 * @throws MDM_CONFIG when the threshold or the servers do not fit; MDM_INTERNAL when the split fails its own test
 */
export async function createFileKey(o: FileKeyOptions): Promise<CreatedFileKey> {
  if (!isThreshold(o.m, o.n)) throw new MdmError('MDM_CONFIG', 'a key is split m of n with 2 <= m < n <= 32')
  if (o.servers.length !== o.n || new Set(o.servers).size !== o.n)
    throw new MdmError('MDM_CONFIG', `${o.n} different key servers are needed`)
  if (o.fileKey !== undefined && o.fileKey.symmetricKeySize !== SECRET_BYTES)
    throw new MdmError('MDM_INTERNAL', 'a file key has 32 bytes')
  const secret = o.fileKey?.export() ?? randomBytes(SECRET_BYTES)
  try {
    const fileKey = createSecretKey(secret)
    const shares = splitSecret(secret, o.m, o.n).map((share) => envelopeOf(o, share))
    const { site, guid, version, kid, epoch, m, n } = o
    const kcv = keyCheckValue(fileKey, guid, kid)
    const created = new Date().toISOString()
    const manifest: KeyManifest = {
      v: 1,
      site,
      guid,
      version,
      kid,
      epoch,
      m,
      n,
      servers: [...o.servers],
      digests: shares.map(shareDigest),
      kcv,
      created,
    }
    const signed = await signManifest(manifest, o.signer)
    const again = combineShares(
      manifest,
      o.servers.map((server, i) => ({ server, share: shares[i]! })),
    )
    if (!again.equals(fileKey)) throw new MdmError('MDM_INTERNAL', 'the envelopes do not give the key')
    return { fileKey, shares, manifest: signed }
  } finally {
    secret.fill(0)
  }
}

/**
 * Rebuilds the file key from the first m shares that fit the manifest (W4, W5); the key commitment is checked before it is
 * returned, so no set of servers can choose the key.
 *
 * @param shares as released, more than m allowed; the caller wipes them
 * @param onFault called for each share that does not fit, with MDM_BAD_SHARE and `details.server`, `details.fault`
 * @throws MDM_BELOW_THRESHOLD when fewer than m fit; `details.faults` names the others
 * @throws MDM_COMMITMENT when the shares fit but give another key than the manifest commits to
 */
export function combineShares(
  manifest: KeyManifest,
  shares: readonly ReleasedShare[],
  onFault: (fault: MdmError) => void = () => {},
): KeyObject {
  const faults: MdmError[] = []
  const good = new Map<KeyServerId, ShamirShare>()
  for (const { server, share } of shares) {
    try {
      const envelope = checkShare(manifest, server, share)
      if (!good.has(server)) good.set(server, decodeShareEnvelope(envelope))
      envelope.fill(0)
    } catch (error) {
      if (!(error instanceof MdmError) || error.code !== 'MDM_BAD_SHARE') throw error
      faults.push(error)
      onFault(error)
    }
  }
  try {
    if (good.size < manifest.m) {
      const text = `${good.size} shares fit the manifest, ${manifest.m} are needed`
      throw new MdmError('MDM_BELOW_THRESHOLD', text, { details: { faults: faults.map((f) => f.details) } })
    }
    return committedKey(manifest, [...good.values()].slice(0, manifest.m))
  } finally {
    for (const { payload } of good.values()) payload.fill(0)
  }
}

function committedKey(manifest: KeyManifest, shares: readonly ShamirShare[]): KeyObject {
  const secret = combined(shares)
  const fileKey = createSecretKey(secret)
  secret.fill(0)
  if (!isCommitted(manifest, fileKey))
    throw new MdmError('MDM_COMMITMENT', 'the shares do not give the key of the manifest')
  return fileKey
}

/** Shares that all fit the signed manifest and yet give no secret: the manifest itself was made of them. */
function combined(shares: readonly ShamirShare[]): Buffer {
  try {
    return combineSecret(shares)
  } catch (cause) {
    throw new MdmError('MDM_COMMITMENT', 'the shares do not give the key of the manifest', { cause })
  }
}

function envelopeOf({ guid, kid, epoch, m, n }: FileKeyOptions, share: ShamirShare): Buffer {
  const envelope = encodeShareEnvelope({ guid, kid, epoch, m, n, ...share })
  share.payload.fill(0)
  return envelope
}
