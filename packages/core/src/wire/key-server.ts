import { z } from 'zod'
import { Guid, Kid, Version } from '../names.ts'
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

/** Stores one share: idempotent; only the site's service, only under a manifest signed by a roster signing key. */
export const putShare = contract({
  method: 'PUT',
  path: '/v1/shares/:guid/:kid/:epoch',
  params: z.object({ guid: Guid, kid: Kid, epoch: z.coerce.number().int().min(1) }),
  body: z.object({ share: ShareText, manifest: Jws, founding: Jws }),
  reply: z.object({ stored: z.literal(true) }),
})

/** Deletes the shares of one key: the site's service while no reader ever had them, an administrator of the key always. */
export const deleteShares = contract({
  method: 'DELETE',
  path: '/v1/shares/:guid/:kid',
  params: z.object({ guid: Guid, kid: Kid }),
  reply: z.object({ deleted: z.int().min(0) }),
})
