import { X509Certificate } from 'node:crypto'
import { open, readFile, rename, rm } from 'node:fs/promises'
import { MdmError } from '@mdm/core/errors'
import { createServiceCertificate } from '@mdm/core/identity/ca'
import { readSecretFile } from '../secret-file.ts'

/**
 * Makes a new self-signed certificate for the key of a listener, with the names of the old one. Peers pin the key: nobody needs
 * to be told.
 *
 * @param files paths of certificate and key; @param days how long it lasts
 * @returns until when
 * @throws MDM_CONFIG when the files are no pair; MDM_CONFLICT when a CA issued the certificate; MDM_USAGE for the days
 */
export async function renewServiceCertificate(
  files: { certificate: string; key: string },
  days: number,
): Promise<Date> {
  const key = (await readSecretFile(files.key)).toString('utf8')
  const old = await readOld(files.certificate)
  if (old.subject !== old.issuer || !old.verify(old.publicKey))
    throw new MdmError('MDM_CONFLICT', 'a CA issued this certificate: have it make the next one of tls.csr')
  const commonName = /^CN=(.+)$/m.exec(old.subject)?.[1] ?? 'MDM server'
  const hosts = (old.subjectAltName ?? '')
    .split(', ')
    .flatMap((name) => /^(?:DNS|IP Address):(.+)$/.exec(name)?.[1] ?? [])
  const { certificate } = await createServiceCertificate({ commonName, hosts, days, key })
  await replace(files.certificate, certificate)
  return new Date(new X509Certificate(certificate).validTo)
}

async function readOld(file: string): Promise<X509Certificate> {
  try {
    return new X509Certificate(await readFile(file))
  } catch (cause) {
    throw new MdmError('MDM_CONFIG', 'the certificate of the configuration cannot be read', { cause })
  }
}

/** Whole or not at all. */
async function replace(file: string, text: string): Promise<void> {
  const part = `${file}.part`
  await rm(part, { force: true })
  const handle = await open(part, 'wx', 0o600)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(part, file)
}
