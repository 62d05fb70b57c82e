import { Fqan } from '../../acl/principal.ts'
import { derChildren, expectTag, malformed, TAG, type DerValue } from '../der.ts'
import { isHostName, isVoName } from './vo-names.ts'

/** VOMS: the groups and roles of the holder, in IetfAttrSyntax (RFC 5755 section 4.4). */
export const FQAN_ATTRIBUTE = '1.3.6.1.4.1.8005.100.100.4'

/** Who vouches for which groups and roles. */
export interface VomsAttributes {
  readonly vo: string
  /** name of the VOMS server, in small letters */
  readonly host: string
  /** each `/vo` or below it, in the server's order, without Role=NULL and Capability=NULL */
  readonly fqans: readonly string[]
}

const URI = 0x86
/** `vo://host:port` */
const AUTHORITY = /^([^:/]{1,64}):\/\/([^:/]{1,253})(?::[0-9]{1,5})?$/

/**
 * Reads the groups and roles of an attribute certificate.
 *
 * One outside the VO refuses the whole: its server says what it has no right to say. One that no access list can hold, such
 * as one with a Capability, is passed over: nobody can have been given anything by it.
 *
 * @throws MDM_UNAUTHENTICATED
 */
export function readFqans(value: DerValue): VomsAttributes {
  const [authority, values, ...rest] = derChildren(value, TAG.sequence)
  const [name, ...names] = derChildren(expectTag(authority, 0xa0))
  const uri = AUTHORITY.exec(expectTag(name, URI).content.toString('latin1'))
  const [vo = '', host = ''] = uri?.slice(1) ?? []
  if (rest.length > 0 || names.length > 0 || !isVoName(vo) || !isHostName(host))
    throw malformed('the name of a virtual organisation')
  const fqans = new Set<string>()
  for (const one of derChildren(expectTag(values, TAG.sequence))) {
    const text = expectTag(one, TAG.octetString).content.toString('latin1')
    const fqan = text.replace(/\/Capability=NULL$/, '').replace(/\/Role=NULL$/, '')
    if (fqan !== `/${vo}` && !fqan.startsWith(`/${vo}/`)) throw malformed('an attribute of another VO')
    if (Fqan.safeParse(fqan).success) fqans.add(fqan)
  }
  return { vo, host: host.toLowerCase(), fqans: [...fqans] }
}
