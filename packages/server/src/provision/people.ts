import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { MdmError } from '@mdm/core/errors'
import { readCertificate } from '@mdm/core/identity/certificate'
import { Dn, parseDn } from '@mdm/core/identity/dn'
import { requireCa, requireIssuedBy, requireValid, type UserCa } from '@mdm/core/identity/issued'
import type { Administrator, Roster } from '@mdm/core/identity/roster'

/**
 * Reads the certificate of a CA of users.
 *
 * @param spaces names below which it may name users, as typed; its own name without its CN when there are none
 * @throws MDM_USAGE | MDM_CONFIG when it is no CA, or not good today
 */
export async function readUserCa(file: string, spaces: readonly string[]): Promise<UserCa> {
  const { certificate, identity } = await readPem(file)
  try {
    requireCa(identity)
    requireValid(identity, new Date())
  } catch (cause) {
    throw new MdmError('MDM_CONFIG', `${file} is not the certificate of a CA that is good today`, { cause })
  }
  const nameSpaces = spaces.length > 0 ? spaces.map(parseDn) : [ownSpace(identity.dn)]
  return { certificate, identity, nameSpaces }
}

/** `cn=lab ca,o=example hospital` may name whom it wants in `o=example hospital`. */
function ownSpace(dn: Dn): Dn {
  const space = Dn.safeParse(dn.replace(/^cn=(?:[^\\,]|\\[^])+,/i, ''))
  if (space.success && space.data !== dn) return space.data
  throw new MdmError('MDM_USAGE', 'say below which name this CA may name users: --name-space "O=..."')
}

/** A CA as a roster holds it. */
export function caEntry({ certificate, nameSpaces }: UserCa): Roster['userCas'][number] {
  return { certificate: certificate.raw.toString('base64'), nameSpaces: [...nameSpaces] }
}

/**
 * Reads the certificate of an administrator and verifies that the site will let him in.
 *
 * @throws MDM_USAGE | MDM_CONFIG | MDM_UNAUTHENTICATED | MDM_CREDENTIAL_EXPIRED
 */
export async function readAdministrator(file: string, cas: readonly UserCa[]): Promise<Administrator> {
  const { certificate, identity } = await readPem(file)
  const ca = cas.find((known) => known.identity.dn === identity.issuer)
  if (ca === undefined)
    throw new MdmError(
      'MDM_USAGE',
      `the certificate ${file} is of a CA that the roster does not name: see --ca`,
    )
  try {
    requireIssuedBy(ca, certificate, identity)
    requireValid(identity, new Date())
  } catch (cause) {
    if (!(cause instanceof MdmError)) throw cause
    throw new MdmError(cause.code, `${file}: ${cause.message}`, { cause })
  }
  return { dn: identity.dn, issuer: ca.identity.dn, spki: identity.spki }
}

async function readPem(file: string) {
  const text = await readFile(file).catch((cause: unknown) => {
    throw new MdmError('MDM_USAGE', `${file} cannot be read`, { cause })
  })
  try {
    const certificate = new X509Certificate(text)
    return { certificate, identity: readCertificate(certificate.raw) }
  } catch (cause) {
    throw new MdmError('MDM_CONFIG', `${file} is not a certificate in PEM`, { cause })
  }
}
