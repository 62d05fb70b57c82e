import { X509Certificate } from 'node:crypto'
import type { ClientConfig } from '@mdm/core/config'
import { MdmError } from '@mdm/core/errors'
import { fault, good, shellWord, warn, type Finding } from '@mdm/core/findings'
import { loadCredential, type Credential } from '@mdm/core/identity/credential'
import { displayDn } from '@mdm/core/identity/dn'
import { identify } from '@mdm/core/identity/identify'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import { SET_CREDENTIAL } from './configuration.ts'

const DAY_MS = 86_400_000
const SOON_DAYS = 30

/** Can certificate and key be read, and do they belong together? */
export async function checkCredential(
  config: ClientConfig,
): Promise<{ findings: Finding[]; credential?: Credential }> {
  if (config.credential === undefined)
    return { findings: [fault('certificate', '', 'no certificate is configured', SET_CREDENTIAL)] }
  const { certificate, key } = config.credential
  try {
    return {
      findings: [good('key', key, 'belongs to the certificate, and yours alone')],
      credential: await loadCredential({ certificate, key }),
    }
  } catch (error) {
    const why = error instanceof MdmError ? error.message : 'certificate and key cannot be read'
    const next = /chmod/.test(why) ? `chmod 600 ${shellWord(key)}` : SET_CREDENTIAL
    return { findings: [fault('key', key, why.replace(/: chmod 600$/, ''), next)] }
  }
}

/** Would the site accept it, today and for the next 30 days? By the same procedure as the servers. */
export function checkCertificate(
  { certificate, identity }: Credential,
  file: string,
  roster: TrustedRoster | undefined,
  now: Date,
): Finding {
  const days = Math.floor((identity.notAfter.getTime() - now.getTime()) / DAY_MS)
  const renew = `mdm config set --cert RENEWED --key KEY, with a new certificate of ${displayDn(identity.issuer)}`
  if (now < identity.notBefore) {
    const message = `valid only from ${identity.notBefore.toISOString()} on, and this clock says ${now.toISOString()}`
    return fault('certificate', file, message, 'timedatectl set-ntp true')
  }
  if (now > identity.notAfter)
    return fault('certificate', file, `expired on ${identity.notAfter.toISOString()}`, renew)
  if (roster !== undefined) {
    try {
      identify([new X509Certificate(certificate)], roster, now)
    } catch (error) {
      const why = error instanceof MdmError ? error.message : 'the site cannot accept it'
      return fault('certificate', file, `${why} (${accepted(roster)})`, SET_CREDENTIAL)
    }
  }
  const until = `valid until ${identity.notAfter.toISOString()}`
  if (days < SOON_DAYS) return warn('certificate', file, `${until}: ${days} days`, renew)
  return good('certificate', file, `${displayDn(identity.dn)}, ${until}`)
}

function accepted({ userCas }: TrustedRoster): string {
  const names = userCas.map(({ identity }) => displayDn(identity.dn))
  return names.length === 0 ? 'it accepts no user CA' : `it accepts ${names.join('; ')}`
}
