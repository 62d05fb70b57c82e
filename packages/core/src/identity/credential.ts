import { createPrivateKey, type KeyObject, type X509Certificate } from 'node:crypto'
import { open } from 'node:fs/promises'
import { MdmError } from '../errors.ts'
import { readCertificate, type CertificateIdentity } from './certificate.ts'
import { findEndEntity } from './chain.ts'
import { certificatesIn, privateKeyIn } from './pem.ts'
import type { Delegation } from './proxy/delegation.ts'

const MAX_PEM = 262_144

/** A certificate, or a proxy with the chain to its owner, and the private key: as TLS and the signing of statements take them. */
export interface Credential {
  /** PEM, the leaf first, then all that goes to the peer */
  readonly certificate: string
  /** PEM, not encrypted */
  readonly key: string
  readonly privateKey: KeyObject
  /** of the end-entity certificate: who the owner is, also where a proxy is used */
  readonly identity: CertificateIdentity
  /** the leaf first; more than one only where a proxy or the file of a chain is used */
  readonly chain: readonly X509Certificate[]
  /** SHA-256 of the SubjectPublicKeyInfo of the leaf, hex */
  readonly spki: string
  /** the latest begin and the earliest end of proxies and end-entity certificate */
  readonly notBefore: Date
  readonly notAfter: Date
  /** absent where the owner's own key is used */
  readonly delegation?: Delegation
}

/**
 * Loads a certificate and its key from two PEM files, or from one that holds both: a proxy file (the proxy, its key, then the
 * certificates of its chain) or a capability file.
 *
 * @param o paths; the file of the key must be readable by its owner only
 * @throws MDM_CONFIG when a file is missing, malformed, open to others, or the two do not belong together
 */
export async function loadCredential(o: { certificate: string; key: string }): Promise<Credential> {
  const together = o.certificate === o.key
  const certificate = await readPem(o.certificate, 'certificate', together)
  const key = privateKeyIn(together ? certificate : await readPem(o.key, 'key', true))
  if (key === undefined)
    throw config(
      together
        ? 'the certificate file holds no key: give the file of the key, too'
        : 'the key file holds none',
    )
  try {
    return credentialOf(certificate, key)
  } catch (cause) {
    if (!(cause instanceof MdmError)) throw config('the certificate or its key is malformed', cause)
    throw cause.code === 'MDM_CONFIG' ? cause : config(cause.message, cause)
  }
}

/**
 * Fails for a proxy: what an administrator decides is signed by the key of his own certificate, and no server takes another.
 *
 * @throws MDM_CONFIG
 */
export function requireOwnKey(credential: Credential): void {
  if (credential.delegation === undefined) return
  throw config('a proxy cannot change access lists', undefined, {
    next: 'use your own certificate and key: --cert FILE --key FILE, or unset X509_USER_PROXY',
  })
}

function credentialOf(certificate: string, key: string): Credential {
  if (/ENCRYPTED/.test(key)) throw config('the key is encrypted: write it without a passphrase')
  const privateKey = createPrivateKey(key)
  const chain = certificatesIn(certificate)
  const [leaf] = chain
  if (leaf === undefined) throw config('the certificate file holds none')
  if (!leaf.checkPrivateKey(privateKey)) throw config('the key is not the one of the certificate')
  const entity = findEndEntity(chain)
  const begins = entity.chain.map(({ raw }) => readCertificate(raw).notBefore.getTime())
  return {
    certificate: chain.map(String).join(''),
    ...{ key, privateKey, chain },
    ...{ identity: entity.identity, spki: entity.spki },
    ...{ notBefore: new Date(Math.max(...begins)), notAfter: entity.notAfter },
    ...(entity.delegation === undefined ? {} : { delegation: entity.delegation }),
  }
}

async function readPem(path: string, what: string, secret: boolean): Promise<string> {
  const file = await open(path).catch((cause: unknown) => {
    throw config(`the ${what} file cannot be opened`, cause, {
      next: '"mdm doctor" shows which; --cert and --key come before MDM_CERT, that before X509_USER_PROXY',
    })
  })
  try {
    // Asked of the open file, so that it cannot be another one that is read.
    const { mode, size } = await file.stat()
    const others = process.platform === 'win32' ? 0 : mode & 0o077
    if (secret && others !== 0)
      throw config(`the ${what} file holds a private key and is open to others: chmod 600`, undefined, {
        next: '"mdm doctor" shows which file; make a new key if others may have read it',
      })
    if (size > MAX_PEM) throw config(`the ${what} file is too long`)
    return await file.readFile('utf8')
  } catch (cause) {
    if (cause instanceof MdmError) throw cause
    throw config(`the ${what} file cannot be read`, cause)
  } finally {
    await file.close()
  }
}

function config(message: string, cause?: unknown, o: { next?: string } = {}): MdmError {
  return new MdmError('MDM_CONFIG', message, { cause, ...o })
}
