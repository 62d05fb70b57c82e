import type { ClientConfig } from '../config.ts'
import { MdmError } from '../errors.ts'
import { loadCredential, type Credential } from '../identity/credential.ts'

/**
 * The certificate and key that a user configured, while they are good.
 *
 * @throws MDM_CONFIG | MDM_CREDENTIAL_EXPIRED
 */
export async function ownCredential({ credential: files }: ClientConfig): Promise<Credential> {
  if (files === undefined)
    throw new MdmError('MDM_CONFIG', 'no certificate is configured', {
      next: 'mdm config set --cert FILE --key FILE, or export X509_USER_PROXY=FILE',
    })
  const credential = await loadCredential(files)
  if (credential.notAfter.getTime() < Date.now()) throw ended(credential)
  return credential
}

function ended({ delegation, notAfter, identity }: Credential): MdmError {
  const at = `ended at ${notAfter.toISOString().slice(0, 16)}Z`
  if (delegation === undefined || identity.notAfter <= notAfter)
    return new MdmError('MDM_CREDENTIAL_EXPIRED', `your certificate ${at}`, {
      next: 'get a new certificate from your CA, under the same name; if that time is to come, check the clock',
    })
  const [what, next] =
    delegation.limits === undefined
      ? ['proxy', 'make a new proxy: voms-proxy-init -rfc, or mdm credential proxy --cert FILE --key FILE']
      : ['capability', 'ask its owner for a new one: mdm credential delegate']
  return new MdmError('MDM_CREDENTIAL_EXPIRED', `the ${what} ${at}`, { next })
}
