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
    throw new MdmError('MDM_CONFIG', 'no certificate is configured: "mdm config set --cert FILE --key FILE"')
  const credential = await loadCredential(files)
  if (credential.notAfter.getTime() < Date.now()) throw new MdmError('MDM_CREDENTIAL_EXPIRED')
  return credential
}
