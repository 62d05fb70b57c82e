import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { fault, good, shellWord, warn, type Finding } from '@mdm/core/findings'
import { loadCredential, type Credential } from '@mdm/core/identity/credential'
import type { CrlFolder } from '@mdm/core/identity/crl/crl-folder'
import { displayDn } from '@mdm/core/identity/dn'
import type { UserCa } from '@mdm/core/identity/issued'
import { checkValidity } from './certificates.ts'

/**
 * Will grid clients accept the certificate that they are shown: a pair, good today and for 30 days more, for the host in the SURLs, and of
 * a CA?
 *
 * @param o `host` is what SURLs say; of a CA that is in `cas`, too, the signing policy in the folder of `crls` is looked at
 */
export async function checkHostCertificate(o: {
  files: { certificate: string; key: string }
  host: string
  now: Date
  cas?: readonly UserCa[]
  crls?: Pick<CrlFolder, 'requireMayName'>
}): Promise<Finding[]> {
  const { host, now } = o
  const [name, subject] = ['host-certificate', o.files.certificate]
  const renewed = `ask a CA of the grid for a certificate of this host, for the key of tls.csr and below the names that the CA gives; put it at ${shellWord(subject)}, restart the server`
  const loaded = await loadCredential(o.files).catch((error: unknown) => error as Error)
  if (loaded instanceof Error) return [fault(name, subject, loaded.message, renewed)]
  const leaf = new X509Certificate(loaded.certificate)
  const isFor = isIP(host) === 0 ? leaf.checkHost(host, { subject: 'never' }) : leaf.checkIP(host)
  return [
    checkValidity(loaded.identity, { name, subject, now, next: renewed }),
    isFor === undefined
      ? fault(name, subject, `it is not for "${host}", which SURLs say`, renewed)
      : good(name, subject, `it is for "${host}"`),
    ...(loaded.identity.dn === loaded.identity.issuer
      ? [warn(name, subject, 'no CA issued it, so grid clients do not know it', renewed)]
      : []),
    ...misnamed(loaded, o).map((message) => fault(name, subject, message, renewed)),
  ]
}

/** Globus refuses a server whose subject its CA may not give by its signing policy, whatever names stand beside it. */
function misnamed(
  { identity, certificate }: Credential,
  { cas = [], crls }: { cas?: readonly UserCa[]; crls?: Pick<CrlFolder, 'requireMayName'> },
): string[] {
  const leaf = new X509Certificate(certificate)
  const ca = cas.find((one) => one.identity.dn === identity.issuer && leaf.checkIssued(one.certificate))
  if (ca === undefined || crls === undefined) return []
  try {
    crls.requireMayName(ca, identity)
    return []
  } catch {
    return [`its name, ${displayDn(identity.dn)}, is none that its CA may give by its signing policy`]
  }
}
