import { fault, shellWord, type Finding } from '@mdm/core/findings'
import { loadCredential, type Credential } from '@mdm/core/identity/credential'
import { checkValidity } from './certificates.ts'

/**
 * Do the listener's certificate and key belong together, are they good today, and are they the ones that rosters name?
 *
 * @param o `config` is the path of the configuration
 * @returns the credential where it can be used at all
 */
export async function checkTls(o: {
  config: string
  files: { certificate: string; key: string }
  now: Date
}): Promise<{ findings: Finding[]; credential?: Credential }> {
  const { files, now } = o
  const subject = files.certificate
  let credential: Credential
  try {
    credential = await loadCredential(files)
  } catch (error) {
    const { message } = error as Error
    const next = `put back ${shellWord(files.certificate)} and ${shellWord(files.key)} from the last backup`
    return { findings: [fault('tls-certificate', subject, message, next)] }
  }
  const { identity } = credential
  const next =
    identity.dn === identity.issuer
      ? `mdm-server renew --config ${shellWord(o.config)}, then restart the server`
      : `have your CA make a new certificate of tls.csr, put it at ${shellWord(subject)}, restart the server`
  return { findings: [checkValidity(identity, { name: 'tls-certificate', subject, now, next })], credential }
}
