import { X509Certificate } from 'node:crypto'
import { open, readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { MdmError } from '../../errors.ts'
import { readCertificate } from '../../identity/certificate.ts'
import { openCrlFolder, type CrlFolder } from '../../identity/crl/crl-folder.ts'
import type { UserCa } from '../../identity/issued.ts'

/** Where grid software keeps the certificates of CAs when X509_CERT_DIR does not say otherwise. */
export const DEFAULT_CA_FOLDER = '/etc/grid-security/certificates'

/** HASH.0 as OpenSSL and grid software call the certificate of a CA; .1 and on for others of the same hash. */
const NAME = /^[0-9a-f]{8}\.[0-9]$/
const MAX_FILES = 2_048
const MAX_FILE = 65_536

/** A CA of the folder, and the hash that the names of its files begin with. */
interface HeldCa extends UserCa {
  readonly hashes: string[]
}

/** The CAs whose servers are trusted, and what they revoked. */
export interface CaFolder {
  /** their certificates, PEM; empty where there is no folder */
  readonly certificates: readonly string[]
  /**
   * Fails when a CA of the folder has a revocation list there (HASH.r0) and the list names a certificate of the chain, cannot be
   * used, or has ended; and when it has a signing policy that does not let it give a name of the chain, or cannot be used. A CA
   * without a list revokes nothing, one without a policy may give any name.
   *
   * @param chain leaf first, already verified
   * @throws MDM_PEER | MDM_CONFIG
   */
  requireGood(chain: readonly X509Certificate[], now: Date): void
}

/**
 * Reads a folder of CA certificates and their revocation lists, once: what lives shorter than a list needs nothing more. A file
 * that is no certificate makes nobody trusted; it is left out.
 *
 * @throws MDM_CONFIG when the folder is there and cannot be read
 */
export async function readCaFolder(dir: string, now = new Date()): Promise<CaFolder> {
  const names = await readdir(dir).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return []
    throw new MdmError('MDM_CONFIG', 'the folder of CA certificates (X509_CERT_DIR) cannot be read', {
      cause,
    })
  })
  const named = names.filter((name) => NAME.test(name)).sort()
  if (named.length > MAX_FILES)
    throw new MdmError('MDM_CONFIG', 'the folder of CA certificates (X509_CERT_DIR) holds too many files')
  const cas = new Map<string, HeldCa>()
  for (const name of named) {
    const ca = await readCa(join(dir, name))
    if (ca === undefined) continue
    const known = cas.get(ca.certificate.fingerprint256)
    if (known === undefined) cas.set(ca.certificate.fingerprint256, ca)
    else known.hashes.push(...ca.hashes)
  }
  const held = [...cas.values()]
  const lists = openCrlFolder(named.length === 0 ? undefined : dir)
  await lists.refresh(held, now)
  return {
    certificates: held.map(({ certificate }) => certificate.toString()),
    requireGood(chain, time) {
      for (const certificate of chain)
        for (const ca of held)
          if (!isItself(certificate, ca) && certificate.checkIssued(ca.certificate))
            requireIssuable(lists, ca, certificate, time)
    },
  }
}

/** What a CA says of itself is nothing that its own list or policy is about. */
function isItself(certificate: X509Certificate, ca: HeldCa): boolean {
  return certificate.fingerprint256 === ca.certificate.fingerprint256
}

function requireIssuable(lists: CrlFolder, ca: HeldCa, certificate: X509Certificate, now: Date): void {
  const isDamaged = lists.faults.some(({ file }) =>
    ca.hashes.some((hash) => basename(file).startsWith(`${hash}.r`)),
  )
  try {
    const identity = readCertificate(certificate.raw)
    lists.requireMayName(ca, identity)
    if (lists.listOf(ca) !== undefined || isDamaged) lists.requireUnrevoked(ca, identity, now)
  } catch (cause) {
    const { code } = cause as MdmError
    if (code === 'MDM_REVOKED')
      throw new MdmError('MDM_PEER', 'the certificate of the server was revoked by its CA', { cause })
    if (code === 'MDM_UNAUTHENTICATED')
      throw new MdmError('MDM_PEER', 'the server has a certificate that its CA may not give', { cause })
    throw new MdmError(
      'MDM_CONFIG',
      'the revocation list or signing policy of the CA of the server (X509_CERT_DIR) has ended or cannot be used: fetch it anew',
      { cause },
    )
  }
}

async function readCa(path: string): Promise<HeldCa | undefined> {
  try {
    const file = await open(path)
    try {
      if ((await file.stat()).size > MAX_FILE) return undefined
      const certificate = new X509Certificate(await file.readFile())
      const identity = readCertificate(certificate.raw)
      const hashes = [basename(path).slice(0, 8)]
      return identity.isCa ? { certificate, identity, nameSpaces: [], hashes } : undefined
    } finally {
      await file.close()
    }
  } catch {
    return undefined
  }
}
