import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { open } from 'node:fs/promises'
import { MdmError } from '../errors.ts'
import { readCertificate, type CertificateIdentity } from './certificate.ts'

const MAX_PEM = 262_144

/** A certificate and its private key, as TLS and the signing of statements take them. */
export interface Credential {
  /** PEM, the leaf first */
  readonly certificate: string
  /** PEM, not encrypted */
  readonly key: string
  readonly privateKey: KeyObject
  readonly identity: CertificateIdentity
}

/**
 * Loads a certificate and its key from two PEM files.
 *
 * @param o paths; the key file must be readable by its owner only
 * @throws MDM_CONFIG when a file is missing, malformed, open to others, or the two do not belong together
 */
export async function loadCredential(o: { certificate: string; key: string }): Promise<Credential> {
  const certificate = await readPem(o.certificate, 'certificate', false)
  const key = await readPem(o.key, 'key', true)
  try {
    return credentialOf(certificate, key)
  } catch (cause) {
    if (cause instanceof MdmError && cause.code === 'MDM_CONFIG') throw cause
    throw new MdmError('MDM_CONFIG', 'the certificate or its key is malformed', { cause })
  }
}

function credentialOf(certificate: string, key: string): Credential {
  if (/ENCRYPTED/.test(key))
    throw new MdmError('MDM_CONFIG', 'the key is encrypted: write it without a passphrase')
  const privateKey = createPrivateKey(key)
  const leaf = new X509Certificate(certificate)
  if (!leaf.checkPrivateKey(privateKey))
    throw new MdmError('MDM_CONFIG', 'the key is not the one of the certificate')
  return { certificate, key, privateKey, identity: readCertificate(leaf.raw) }
}

async function readPem(path: string, what: string, secret: boolean): Promise<string> {
  const file = await open(path).catch((cause: unknown) => {
    throw new MdmError('MDM_CONFIG', `the ${what} file cannot be opened`, { cause })
  })
  try {
    // Asked of the open file, so that it cannot be another one that is read.
    const { mode, size } = await file.stat()
    const others = process.platform === 'win32' ? 0 : mode & 0o077
    if (secret && others !== 0) throw new MdmError('MDM_CONFIG', 'the key file is open to others: chmod 600')
    if (size > MAX_PEM) throw new MdmError('MDM_CONFIG', `the ${what} file is too long`)
    return await file.readFile('utf8')
  } catch (cause) {
    if (cause instanceof MdmError) throw cause
    throw new MdmError('MDM_CONFIG', `the ${what} file cannot be read`, { cause })
  } finally {
    await file.close()
  }
}
