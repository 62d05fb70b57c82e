import type { z } from 'zod'
import type { Caller } from '@mdm/core/identity/identify'
import type { SiteId } from '@mdm/core/names'
import type { getWhoami } from '@mdm/core/wire/common'

/** What a caller is told of himself, by the site and by key servers alike. */
export function whoamiOf(caller: Caller, sites: SiteId[]): z.input<(typeof getWhoami)['reply'] & {}> {
  const { kind, dn, issuer, spki, notAfter } = caller
  const known = { kind, dn, issuer, spki, notAfter: notAfter.toISOString(), sites }
  if (caller.kind !== 'user') return known
  const { proxy, limits, fqans } = caller
  return {
    ...known,
    ...(proxy === undefined ? {} : { proxy }),
    ...(limits === undefined ? {} : { limits }),
    ...(fqans.length === 0 ? {} : { fqans }),
  }
}
