import { fault, good, shellWord, type Finding } from '@mdm/core/findings'
import { displayDn, isBelow } from '@mdm/core/identity/dn'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import { checkValidity } from './certificates.ts'

/** Are the CAs that a roster names good, and may each administrator have a certificate of one of them? */
export function checkRosterContent(roster: TrustedRoster, o: { config: string; now: Date }): Finding[] {
  const byNewCa = `mdm-server roster --config ${shellWord(o.config)} --ca CA.pem`
  const cas = roster.userCas.map(({ identity, nameSpaces }) =>
    checkValidity(identity, {
      ...{ name: 'user-ca', subject: displayDn(identity.dn), now: o.now },
      next: `${byNewCa}${nameSpaces.map((space) => ` --name-space ${shellWord(space)}`).join('')}`,
    }),
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
