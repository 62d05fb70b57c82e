import { readFile } from 'node:fs/promises'
import { MdmError } from '@mdm/core/errors'
import { fault, good, shellWord, type Finding } from '@mdm/core/findings'
import type { Revocations } from '@mdm/core/identity/crl/revocations'
import { displayDn, isBelow } from '@mdm/core/identity/dn'
import { identify } from '@mdm/core/identity/identify'
import { certificatesIn } from '@mdm/core/identity/pem'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import { checkValidity } from './certificates.ts'

/** Are the CAs that a roster names good, and may each administrator have a certificate of one of them? */
export function checkRosterContent(roster: TrustedRoster, o: { config: string; now: Date }): Finding[] {
  const byNewCa = `mdm-server roster --config ${shellWord(o.config)} --ca CA.pem`
  const cas = roster.userCas.map(({ identity }) =>
    checkValidity(identity, { name: 'user-ca', subject: displayDn(identity.dn), now: o.now, next: byNewCa }),
  )
  const administrators = roster.body.administrators.map(({ dn, issuer }) => {
    const issuers = roster.userCas.filter(({ identity }) => identity.dn === issuer)
    const subject = displayDn(dn)
    if (issuers.length === 0)
      return fault(
        'administrator',
        subject,
        'of a CA that the roster does not name, so never let in',
        byNewCa,
      )
    return issuers.some(({ nameSpaces }) => nameSpaces.some((space) => isBelow(dn, space)))
      ? good('administrator', subject, 'of a CA that the roster names')
      : fault('administrator', subject, 'the CA may not give this name', `${byNewCa} --name-space "O=..."`)
  })
  return [...cas, ...administrators]
}

/** Would the site let a user in, by this certificate? @param file certificate or proxy in PEM */
export async function checkUser(
  roster: TrustedRoster,
  file: string,
  o: { config: string; now: Date; crls?: Revocations },
): Promise<Finding> {
  try {
    const chain = certificatesIn(await readFile(file, 'utf8'))
    if (chain.length === 0) throw new Error('no certificate in PEM')
    const { dn } = identify(chain, roster, o.now, o.crls)
    return good('user', file, `let in as ${displayDn(dn)}`)
  } catch (error) {
    const known = roster.userCas.map(({ identity }) => `"${displayDn(identity.dn)}"`).join(' or ')
    const message = error instanceof MdmError ? error.message : 'no certificate in PEM can be read there'
    const next = `have ${known} issue one ("mdm ca issue"), or name the other CA: mdm-server roster --config ${shellWord(o.config)} --ca CA.pem`
    return fault('user', file, message, next)
  }
}
