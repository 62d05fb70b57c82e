import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { MdmError } from '../errors.ts'
import { Guid, Kid, KeyServerId, Sha256, SiteId, Version } from '../names.ts'
import { peekJws, signJws, verifyJws } from './jws.ts'
import { isThreshold } from './shamir.ts'
import { decodeShareEnvelope, guidBytes, shareDigest } from './share-envelope.ts'

export const MANIFEST_TYP = 'mdm-manifest+jwt'
const KCV_PREFIX = 'mdm-kcv-v1'

/** The signed description of one split file key: who holds which share, and what key they must give (docs/formats/keys.md). */
export const KeyManifest = z
  .strictObject({
    v: z.literal(1),
    site: SiteId,
    guid: Guid,
    version: Version,
    kid: Kid,
    epoch: z.int().min(1).max(0xffffffff),
    m: z.int(),
    n: z.int(),
    /** key server of the share at x = position + 1 */
    servers: z.array(KeyServerId),
    /** shareDigest of the envelopes, in the order of the servers */
    digests: z.array(Sha256),
    /** key commitment, 32 bytes */
    kcv: z.base64url().length(43),
    created: z.iso.datetime(),
  })
  .refine(({ m, n }) => isThreshold(m, n), 'a threshold is 2 <= m < n <= 32')
  .refine(
    ({ n, servers, digests }) => servers.length === n && digests.length === n,
    'n servers and n digests',
  )
  .refine(({ servers }) => new Set(servers).size === servers.length, 'each server once')
export type KeyManifest = z.infer<typeof KeyManifest>

export interface ExpectedManifest {
  readonly site?: SiteId | undefined
  readonly guid?: Guid | undefined
  readonly version?: Version | undefined
  readonly kid?: Kid | undefined
}

/** Signs a manifest as the site, once it is known to be well formed. */
export async function signManifest(
  manifest: KeyManifest,
  signer: { kid: string; key: KeyObject },
): Promise<string> {
  const checked = KeyManifest.safeParse(manifest)
  if (!checked.success)
    throw new MdmError('MDM_INTERNAL', 'the key manifest is not of the form', { cause: checked.error })
  return await signJws(checked.data, signer.key, { typ: MANIFEST_TYP, kid: signer.kid })
}

/**
 * Reads a manifest that one of the site's signing keys has signed, and which is of what was asked for.
 *
 * @param signingKeys of the accepted roster
 * @throws MDM_MANIFEST with `details.fault` form, signer, signature or one of site, guid, version, kid
 */
export async function verifyManifest(
  jws: string,
  signingKeys: readonly { kid: string; key: KeyObject }[],
  expected: ExpectedManifest,
): Promise<KeyManifest> {
  const signer = signingKeys.find((k) => k.kid === signerOf(jws))
  if (signer === undefined) throw refused('signer')
  const payload = await verifyJws(jws, signer.key, MANIFEST_TYP).catch((cause: unknown) => {
    throw refused('signature', cause)
  })
  const parsed = KeyManifest.safeParse(payload)
  if (!parsed.success) throw refused('form', parsed.error)
  for (const field of ['site', 'guid', 'version', 'kid'] as const) {
    if (expected[field] !== undefined && expected[field] !== parsed.data[field]) throw refused(field)
  }
  return parsed.data
}

/**
 * Checks one share against the manifest before it takes part in anything (W4): it must be the very envelope that was made for
 * this server.
 *
 * @returns a copy of the envelope, 124 bytes, that the caller wipes
 * @throws MDM_BAD_SHARE with `details.server` and `details.fault`: server, length, form, guid, kid, epoch, threshold, index, digest
 */
export function checkShare(manifest: KeyManifest, server: KeyServerId, share: Uint8Array): Buffer {
  const slot = manifest.servers.indexOf(server)
  const fault = slot < 0 ? 'server' : shareFault(manifest, slot, share)
  if (fault === undefined) return Buffer.from(share)
  const message = `the share of key server ${server.slice(0, 12)} does not fit the manifest`
  throw new MdmError('MDM_BAD_SHARE', message, { details: { server, fault } })
}

function shareFault(manifest: KeyManifest, slot: number, share: Uint8Array): string | undefined {
  try {
    const envelope = decodeShareEnvelope(share)
    envelope.payload.fill(0)
    if (envelope.guid !== manifest.guid) return 'guid'
    if (envelope.kid !== manifest.kid) return 'kid'
    if (envelope.epoch !== manifest.epoch) return 'epoch'
    if (envelope.m !== manifest.m || envelope.n !== manifest.n) return 'threshold'
    if (envelope.x !== slot + 1) return 'index'
    return shareDigest(share) === manifest.digests[slot] ? undefined : 'digest'
  } catch (error) {
    if (error instanceof MdmError && error.code === 'MDM_BAD_SHARE') return String(error.details.fault)
    throw error
  }
}

/** Key commitment: HMAC-SHA-256 of "mdm-kcv-v1", GUID and kid under the file key, base64url. */
export function keyCheckValue(fileKey: KeyObject, guid: Guid, kid: Kid): string {
  return createHmac('sha256', fileKey)
    .update(KCV_PREFIX)
    .update(guidBytes(guid))
    .update(kid, 'hex')
    .digest('base64url')
}

/** True when this is the key the manifest commits to; takes the same time for every key. */
export function isCommitted(manifest: KeyManifest, fileKey: KeyObject): boolean {
  const kcv = keyCheckValue(fileKey, manifest.guid, manifest.kid)
  return timingSafeEqual(Buffer.from(kcv), Buffer.from(manifest.kcv))
}

function signerOf(jws: string): string {
  try {
    return peekJws(jws).kid
  } catch (cause) {
    throw refused('form', cause)
  }
}

function refused(fault: string, cause?: unknown): MdmError {
  return new MdmError('MDM_MANIFEST', undefined, { cause, details: { fault } })
}
