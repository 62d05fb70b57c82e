import { X509Certificate } from 'node:crypto'
import { addRoster, saveConfig, type ClientConfig } from '@mdm/core/config'
import { issueCertificate } from '@mdm/core/identity/ca'
import { readCertificate, type CertificateIdentity } from '@mdm/core/identity/certificate'
import { newFolder } from './folder.ts'

/** How long a user certificate of a provisioned CA lasts. */
const USER_DAYS = 365

export interface ProvisionedUser {
  readonly name: string
  readonly dir: string
  /** what the certificate says, as servers read it */
  readonly identity: CertificateIdentity
  /** Accepts a site's roster by its fingerprint and writes config.json; gives its path. */
  trust(roster: string, fingerprint: string): Promise<string>
}

/**
 * Makes the folder of one user: certificate and key.
 *
 * @param o `dn` is the name as it is written, `ca` issues the certificate
 * @throws MDM_CONFLICT when the folder is not empty
 */
export async function provisionUser(
  dir: string,
  o: { name: string; dn: string; ca: { certificate: string; key: string } },
): Promise<ProvisionedUser> {
  const folder = await newFolder(dir)
  const issued = await issueCertificate({ ca: o.ca, dn: o.dn, days: USER_DAYS, usage: 'client' })
  const credential = {
    certificate: await folder.write(`${o.name}.pem`, issued.certificate),
    key: await folder.write(`${o.name}.key`, issued.key),
  }
  const start: ClientConfig = { file: folder.path('config.json'), credential, sites: {} }
  return {
    name: o.name,
    dir,
    identity: readCertificate(new X509Certificate(issued.certificate).raw),
    async trust(roster, fingerprint) {
      // A roster is added to what the file has, so the credential must be there first.
      await saveConfig(start)
      return (await addRoster(start, roster, { fingerprint })).config.file
    },
  }
}
