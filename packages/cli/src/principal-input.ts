import type { Principal } from '@mdm/core/acl/principal'
import type { TrustedRoster } from '@mdm/core/identity/roster'

/**
 * Who is meant by --to or --from: `group:NAME`, an FQAN, or the distinguished name of a user with the CA that names him.
 *
 * @param issuer DN of the CA; may be absent when the roster has only one
 * @throws MDM_USAGE when the name is malformed, or several CAs could be meant
 */
export async function principalFrom(
  text: string,
  issuer: string | undefined,
  roster: TrustedRoster,
): Promise<Principal> {
  const [{ parsePrincipal }, { parseDn }] = await Promise.all([
    import('@mdm/core/acl/principal'),
    import('@mdm/core/identity/dn'),
  ])
  if (issuer !== undefined) return parsePrincipal(text, parseDn(issuer))
  const [only, ...others] = new Set(roster.userCas.map((ca) => ca.identity.dn))
  return parsePrincipal(text, others.length === 0 ? only : undefined)
}
