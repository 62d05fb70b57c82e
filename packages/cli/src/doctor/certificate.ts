import type { ClientConfig } from '@mdm/core/config'
import { MdmError } from '@mdm/core/errors'
import { fault, good, shellWord, warn, type Finding } from '@mdm/core/findings'
import { loadCredential, type Credential } from '@mdm/core/identity/credential'
import { displayDn } from '@mdm/core/identity/dn'
import { identify } from '@mdm/core/identity/identify'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import { SET_CREDENTIAL } from './configuration.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const SOON_DAYS = 30
/** A proxy is made for hours: only what soon ends a job is worth a warning. */
const SOON_HOURS = 1
/** How a proxy is made: by tools that are not ours. */
const NEW_PROXY = 'make a new proxy: voms-proxy-init -rfc, or arcproxy; then mdm doctor, again'

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
    const isGridProxy = key === process.env['X509_USER_PROXY']
    const next = /chmod/.test(why)
      ? `chmod 600 ${shellWord(key)}`
      : isGridProxy
        ? `${NEW_PROXY}, or unset X509_USER_PROXY`
        : SET_CREDENTIAL
    return { findings: [fault('key', key, why.replace(/: chmod 600$/, ''), next)] }
  }
}

/** Would the site accept it, today and for the next 30 days, or a proxy for an hour? By the same procedure as the servers. */
export function checkCertificate(
  { chain, identity, delegation, notBefore, notAfter }: Credential,
  file: string,
  roster: TrustedRoster | undefined,
  now: Date,
): Finding {
  const leftMs = notAfter.getTime() - now.getTime()
  const until = notAfter.toISOString()
  const isProxy = delegation !== undefined && notAfter < identity.notAfter
  const renew = isProxy
    ? NEW_PROXY
    : `mdm config set --cert RENEWED --key KEY, with a new certificate of ${displayDn(identity.issuer)}`
  if (now < notBefore) {
    const message = `valid only from ${notBefore.toISOString()} on, and this clock says ${now.toISOString()}`
    return fault('certificate', file, message, 'timedatectl set-ntp true')
  }
  if (leftMs < 0) return fault('certificate', file, `expired on ${until}`, renew)
  if (roster !== undefined) {
    try {
      identify(chain, roster, now)
    } catch (error) {
      const why = error instanceof MdmError ? error.message : 'the site cannot accept it'
      return fault('certificate', file, `${why} (${accepted(roster)})`, SET_CREDENTIAL)
    }
  }
  const name = displayDn(identity.dn)
  const who = delegation === undefined ? name : `${name}, by a ${delegation.proxy} proxy`
  if (isProxy && leftMs < SOON_HOURS * HOUR_MS)
    return warn('certificate', file, `valid until ${until}: ${Math.floor(leftMs / 60_000)} minutes`, renew)
  if (!isProxy && leftMs < SOON_DAYS * DAY_MS)
    return warn('certificate', file, `valid until ${until}: ${Math.floor(leftMs / DAY_MS)} days`, renew)
  return good('certificate', file, `${who}, valid until ${until}`)
}

function accepted({ userCas }: TrustedRoster): string {
  const names = userCas.map(({ identity }) => displayDn(identity.dn))
  return names.length === 0 ? 'it accepts no user CA' : `it accepts ${names.join('; ')}`
}
