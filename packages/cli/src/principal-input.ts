import type { Principal } from '@mdm/core/acl/principal'
import { MdmError } from '@mdm/core/errors'
import type { TrustedRoster } from '@mdm/core/identity/roster'

/**
 * Who is meant by --to or --from: `group:NAME`, an FQAN, or the distinguished name of a user with the CA that names him.
 *
 * @param issuer DN of the CA; may be absent when one CA of the roster alone may give the name
 * @throws MDM_USAGE when the name is malformed, or none or several CAs may give it
 */
export async function principalFrom(
  text: string,
  issuer: string | undefined,
  roster: TrustedRoster,
): Promise<Principal> {
  const [{ parsePrincipal }, { displayDn, isBelow, parseDn }] = await Promise.all([
    import('@mdm/core/acl/principal'),
    import('@mdm/core/identity/dn'),
  ])
  if (issuer !== undefined) return parsePrincipal(text, parseDn(issuer))
  const [first] = roster.userCas
  const meant = parsePrincipal(text, first?.identity.dn)
  if (meant.kind !== 'user') return meant
  const may = roster.userCas.filter(({ nameSpaces }) => nameSpaces.some((space) => isBelow(meant.dn, space)))
  const [only, ...more] = new Set(may.map((ca) => ca.identity.dn))
  if (only === undefined)
    throw new MdmError(
      'MDM_USAGE',
      `no CA of roster ${roster.body.seq} may give the name "${displayDn(meant.dn)}"`,
      {
        next: 'check the name; a CA that is new comes with the next roster ("mdm config add"); --issuer DN takes any CA',
      },
    )
  if (more.length > 0)
    throw new MdmError('MDM_USAGE', 'several CAs could name this user', {
      next: `say which with --issuer: ${[only, ...more].map((dn) => `"${displayDn(dn)}"`).join(' or ')}`,
    })
  return { ...meant, issuer: only }
}
