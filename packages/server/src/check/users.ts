import type { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { MdmError } from '@mdm/core/errors'
import { fault, good, shellWord, warn, type Finding } from '@mdm/core/findings'
import { findEndEntity } from '@mdm/core/identity/chain'
import type { Revocations } from '@mdm/core/identity/crl/revocations'
import { displayDn } from '@mdm/core/identity/dn'
import { identify } from '@mdm/core/identity/identify'
import { certificatesIn } from '@mdm/core/identity/pem'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import type { VomsFolder } from '@mdm/core/identity/voms/voms-folder'

export interface UserCheck {
  /** path of site.json */
  readonly config: string
  readonly now: Date
  readonly crls: Revocations
  readonly voms: VomsFolder
}

/** Would the site let a user in, by this certificate? @param file certificate or proxy in PEM */
export async function checkUser(roster: TrustedRoster, file: string, o: UserCheck): Promise<Finding[]> {
  try {
    const chain = certificatesIn(await readFile(file, 'utf8'))
    if (chain.length === 0) throw new Error('no certificate in PEM')
    const { dn } = identify(chain, roster, o.now, o.crls)
    return [good('user', file, `let in as ${displayDn(dn)}`), ...attributesOf(roster, chain, { ...o, file })]
  } catch (error) {
    const known = roster.userCas.map(({ identity }) => `"${displayDn(identity.dn)}"`).join(' or ')
    const message = error instanceof MdmError ? error.message : 'no certificate in PEM can be read there'
    const next = `have ${known} issue one ("mdm ca issue"), or name the other CA: mdm-server roster --config ${shellWord(o.config)} --ca CA.pem`
    return [fault('user', file, message, next)]
  }
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
