import { z } from 'zod'
import { Sha256, SiteId } from '../names.ts'
import { AclObject, Scope } from './common.ts'
import { contract } from './contract.ts'

/** Where a statement chain ends at one server. */
export const Head = z.object({ scope: Scope, object: AclObject, seq: z.int().min(0), head: Sha256 })
export type Head = z.infer<typeof Head>

/** Heads of one page. */
export const HEADS_AT_ONCE = 1_000

/** The place of a head in the order in which pages follow one another. */
export function placeOf({ scope, object }: Pick<Head, 'scope' | 'object'>): string {
  return `${scope}/${object}`
}

/**
 * Where the key lists, bans and groups of a site end at this server, in order of scope and object, from after `after` on. For the
 * services of the roster only; everyone else gets MDM_NOT_FOUND. Asks no more of a server than that it runs.
 */
export const getHeads = contract({
  method: 'GET',
  path: '/v1/heads/:site',
  params: z.object({ site: SiteId }),
  query: z.object({ after: z.string().max(80).optional() }),
  reply: z.object({ heads: z.array(Head).max(HEADS_AT_ONCE), next: z.string().max(80).optional() }),
})
