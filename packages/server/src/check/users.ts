import type { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Principal } from '@mdm/core/acl/principal'
import { MdmError, type ErrorCode } from '@mdm/core/errors'
import { fault, good, shellWord, warn, type Finding } from '@mdm/core/findings'
import { findEndEntity } from '@mdm/core/identity/chain'
import type { Revocations } from '@mdm/core/identity/crl/revocations'
import { displayDn } from '@mdm/core/identity/dn'
import { identify } from '@mdm/core/identity/identify'
import { certificatesIn } from '@mdm/core/identity/pem'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import type { VomsFolder } from '@mdm/core/identity/voms/voms-folder'
import { openBanFile } from '../keyshares/ban-file.ts'
import { isBannedHere } from '../keyshares/site-groups.ts'

export interface UserCheck {
  /** path of site.json */
  readonly config: string
  readonly now: Date
  readonly crls: Revocations
  readonly voms: VomsFolder
  /** path of the list of bans */
  readonly bans?: string | undefined
}

/** Would the site let a user in, by this certificate? @param file certificate or proxy in PEM */
export async function checkUser(roster: TrustedRoster, file: string, o: UserCheck): Promise<Finding[]> {
  try {
    const chain = certificatesIn(await readFile(file, 'utf8'))
    if (chain.length === 0) throw new Error('no certificate in PEM')
    const caller = identify(chain, roster, o.now, o.crls, o.voms)
    if (isBannedHere(await bansOf(o.bans), caller)) {
      const next = `nothing, if so it shall be; else take the entry out of ${shellWord(o.bans ?? '')}`
      return [fault('user', file, `${displayDn(caller.dn)} is banned here`, next)]
    }
    return [
      good('user', file, `let in as ${displayDn(caller.dn)}`),
      ...attributesOf(roster, chain, { ...o, file }),
    ]
  } catch (error) {
    if (error instanceof MdmError && OTHERS[error.code] !== undefined)
      return [fault('user', file, error.message, OTHERS[error.code]!)]
    const known = roster.userCas.map(({ identity }) => `"${displayDn(identity.dn)}"`).join(' or ')
    const message = error instanceof MdmError ? error.message : 'no certificate in PEM can be read there'
    const next = `have ${known} issue one ("mdm ca issue"), or name the other CA: mdm-server roster --config ${shellWord(o.config)} --ca CA.pem --name-space DN`
    return [fault('user', file, message, next)]
  }
}

/** What has another remedy than another CA. */
const OTHERS: Readonly<Partial<Record<ErrorCode, string>>> = {
  MDM_CRL: 'do what the line "crl" above says',
  MDM_REVOKED: 'the user: a new certificate from the CA, under the same name',
  MDM_CREDENTIAL_EXPIRED: 'the user: a new proxy (voms-proxy-init -rfc), or a new certificate from the CA',
}

/** A list that cannot be read has a finding of its own. */
async function bansOf(file: string | undefined): Promise<readonly Principal[]> {
  return await openBanFile(file).then(
    ({ principals }) => principals,
    () => [],
  )
}

/** What each attribute certificate of a proxy gives its owner, or why it gives nothing. */
function attributesOf(
  roster: TrustedRoster,
  chain: readonly X509Certificate[],
  o: UserCheck & { file: string },
): Finding[] {
  const { chain: verified } = findEndEntity(chain)
  return o.voms.explain(verified, roster, o.now, o.crls).map(({ attributes, refusal }) => {
    const { vo = '', host = '', fqans = [] } = attributes ?? {}
    if (refusal === undefined) return good('attributes', o.file, `${host}: ${fqans.join(', ')}`)
    const whose = attributes === undefined ? 'attributes' : `attributes of ${vo} by ${host}`
    const next = `put the LSC file of the VOMS server into the folder "vomsdir"; the user: voms-proxy-init --voms VO`
    return warn('attributes', o.file, `${whose} do not count: ${refusal.message}`, next)
  })
}
