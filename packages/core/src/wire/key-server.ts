import { z } from 'zod'
import { Guid, Kid, SiteId, Version } from '../names.ts'
import { Jws } from './common.ts'
import { contract } from './contract.ts'

/** A ShareEnvelope v1 is 124 bytes: 168 characters of base64. */
export const ShareText = z.base64().length(168)

/** One share a key server releases, with the manifest it was stored under. */
export const Release = z.object({
  kid: Kid,
  version: Version,
  epoch: z.int().min(1),
  manifest: Jws,
  share: ShareText,
})
export type Release = z.infer<typeof Release>

/** A server that holds nothing for the caller says so, and it holds one share of each split: everything else is a lie. */
const Releases = z
  .array(Release)
  .min(1)
  .max(100)
  .refine((list) => new Set(list.map(({ kid, epoch }) => `${kid} ${epoch}`)).size === list.length)

/**
 * All shares of a volume that the caller may read; anyone else, and any unknown GUID, gets MDM_NOT_FOUND (paper 3.3).
 * `kid` narrows the answer to one key.
 */
export const getShares = contract({
  method: 'GET',
  path: '/v1/shares/:guid',
  params: z.object({ guid: Guid }),
  query: z.object({ kid: Kid.optional() }),
  reply: z.object({ releases: Releases }),
})

/** What a site writes down for itself beside a share, sealed under its own key; a key server cannot read it. */
export const Note = z.base64().max(1024)

/** Stores one share: idempotent; only the site's service, only under a manifest signed by a roster signing key. */
export const putShare = contract({
  method: 'PUT',
  path: '/v1/shares/:guid/:kid/:epoch',
  params: z.object({ guid: Guid, kid: Kid, epoch: z.coerce.number().int().min(1) }),
  body: z.object({ share: ShareText, manifest: Jws, founding: Jws, note: Note.optional() }),
  reply: z.object({ stored: z.literal(true) }),
})

/** Deletes the shares of one key: the site's service while no reader ever had them, an administrator of the key always. */
export const deleteShares = contract({
  method: 'DELETE',
  path: '/v1/shares/:guid/:kid',
  params: z.object({ guid: Guid, kid: Kid }),
  reply: z.object({ deleted: z.int().min(0) }),
})

/** One key of a site as a key server holds it, without its share. */
export const HeldKey = z.object({
  guid: Guid,
  kid: Kid,
  version: Version,
  epoch: z.int().min(1),
  manifest: Jws,
  note: Note.nullable(),
})
export type HeldKey = z.infer<typeof HeldKey>

/** Keys of one page. */
export const KEYS_AT_ONCE = 200

/**
 * Every key a site has put here, in order of kid and epoch, from after `after` on: for the site's service, that was put back from
 * a backup. Everyone else gets MDM_NOT_FOUND.
 */
export const getHeldKeys = contract({
  method: 'GET',
  path: '/v1/keys/:site',
  params: z.object({ site: SiteId }),
  query: z.object({ after: z.string().max(64).optional() }),
  reply: z.object({ keys: z.array(HeldKey).max(KEYS_AT_ONCE), next: z.string().max(64).optional() }),
})
