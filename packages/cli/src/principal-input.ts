import type { Principal } from '@mdm/core/acl/principal'
import { MdmError } from '@mdm/core/errors'
import type { TrustedRoster } from '@mdm/core/identity/roster'

/**
 * Who is meant by --to or --from: `group:NAME`, or the distinguished name of a user together with the CA that names him.
 *
 * @param issuer DN of the CA; may be absent when the roster has only one
 * @throws MDM_USAGE when the name is malformed, or several CAs could be meant
 */
export async function principalFrom(
  text: string,
  issuer: string | undefined,
  roster: TrustedRoster,
): Promise<Principal> {
  if (!text.includes('=')) {
    const { parsePrincipal } = await import('@mdm/core/acl/principal')
    return parsePrincipal(text)
  }
  const { parseDn } = await import('@mdm/core/identity/dn')
  return {
    kind: 'user',
    dn: parseDn(text),
    issuer: issuer === undefined ? await onlyCa(roster) : parseDn(issuer),
  }
}

async function onlyCa(roster: TrustedRoster) {
  const { readCertificate } = await import('@mdm/core/identity/certificate')
  const names = new Set(
    roster.body.userCas.map((ca) => readCertificate(Buffer.from(ca.certificate, 'base64')).dn),
  )
  const [only] = names
  if (only === undefined || names.size > 1) {
    throw new MdmError(
      'MDM_USAGE',
      `the site accepts ${names.size} user CAs: say with --issuer which one names this user`,
    )
  }
  return only
}
