import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { fault, good, shellWord, warn, type Finding } from '@mdm/core/findings'
import { loadCredential } from '@mdm/core/identity/credential'
import { checkValidity } from './certificates.ts'

/**
 * Will grid clients accept the certificate that they are shown: a pair, good today and for 30 days more, for the host in the SURLs, and of
 * a CA?
 *
 * @param o `host` is what SURLs say
 */
export async function checkHostCertificate(o: {
  files: { certificate: string; key: string }
  host: string
  now: Date
}): Promise<Finding[]> {
  const { host, now } = o
  const [name, subject] = ['host-certificate', o.files.certificate]
  const renewed = `have a CA of the grid make a certificate of tls.csr, put it at ${shellWord(subject)}, restart the server`
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
  ]
}
