import { MdmError } from '@mdm/core/errors'
import { readCertificate } from '@mdm/core/identity/certificate'
import { parseDn, type Dn } from '@mdm/core/identity/dn'
import type { Administrator, Roster } from '@mdm/core/identity/roster'

/**
 * Takes key servers, administrators and CAs out of a roster. An administrator becomes a former one: what he signed still counts,
 * and he signs nothing new. A volume whose key lies on a dropped key server is read with the shares of the others.
 *
 * @param names id or URL of a key server, or the name of an administrator or CA
 * @throws MDM_USAGE for a name that is not in the roster
 */
export function dropFrom(body: Roster, names: readonly string[]): Roster {
  return names.reduce(dropOne, body)
}

function dropOne(body: Roster, name: string): Roster {
  const dn = dnOf(name)
  const isServer = ({ id, url }: Roster['keyServers'][number]) => id === name || url === name
  const isCa = ({ certificate }: Roster['userCas'][number]) =>
    readCertificate(Buffer.from(certificate, 'base64')).dn === dn
  const isAdministrator = (administrator: Administrator) => administrator.dn === dn
  const former = body.administrators.filter(isAdministrator)
  const next = {
    ...body,
    keyServers: body.keyServers.filter((server) => !isServer(server)),
    userCas: body.userCas.filter((ca) => !isCa(ca)),
    administrators: body.administrators.filter((administrator) => !isAdministrator(administrator)),
    ...(former.length === 0
      ? {}
      : { formerAdministrators: [...(body.formerAdministrators ?? []), ...former] }),
  }
  if (sizeOf(next) === sizeOf(body))
    throw new MdmError('MDM_USAGE', 'the roster names no key server, administrator or CA as --drop does')
  if (next.administrators.length === 0)
    throw new MdmError(
      'MDM_USAGE',
      'a roster without an administrator: add another with --administrator first',
    )
  return next
}

function sizeOf({ keyServers, userCas, administrators }: Roster): number {
  return keyServers.length + userCas.length + administrators.length
}

function dnOf(name: string): Dn | undefined {
  try {
    return parseDn(name)
  } catch {
    return undefined
  }
}
