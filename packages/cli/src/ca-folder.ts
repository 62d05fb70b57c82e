import { X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { MdmError } from '@mdm/core/errors'

/** What a folder holds that belongs to a server. */
const SERVER_FILES = ['site.json', 'keys.json', 'signing.key']

/** A certificate and key on disk. */
export interface WrittenPair {
  readonly certificate: string
  readonly key: string
  /** ISO date and time */
  readonly notAfter: string
}

/**
 * Makes a folder for a CA or a user and makes sure that it is nobody else's: an authority beside a server would let
 * whoever breaks into that server make users.
 *
 * @throws MDM_CONFLICT when the folder, or one above it, holds a server's configuration, or a file is there already
 */
export async function claimFolder(dir: string, files: readonly string[]): Promise<void> {
  for (let folder = resolve(dir); ; folder = dirname(folder)) {
    if (SERVER_FILES.some((file) => existsSync(join(folder, file)))) {
      throw new MdmError(
        'MDM_CONFLICT',
        'the folder belongs to a server: an authority and its users live elsewhere',
      )
    }
    if (folder === dirname(folder)) break
  }
  const there = files.find((file) => existsSync(join(dir, file)))
  if (there !== undefined)
    throw new MdmError('MDM_CONFLICT', `the folder holds a ${there} already, which is never overwritten`)
  await mkdir(dir, { recursive: true, mode: 0o700 })
}

/** Writes NAME.pem (0644) and NAME.key (0600), never over another file. */
export async function writePair(
  dir: string,
  name: string,
  pair: { certificate: string; key: string },
): Promise<WrittenPair> {
  const key = join(dir, `${name}.key`)
  const certificate = join(dir, `${name}.pem`)
  await writeNew(key, pair.key, 0o600)
  await writeNew(certificate, pair.certificate, 0o644)
  return { certificate, key, notAfter: new Date(new X509Certificate(pair.certificate).validTo).toISOString() }
}

/**
 * Keeps a copy of a certificate in the folder issued of its authority.
 *
 * @returns the serial number, hex
 */
export async function keepIssued(dir: string, certificate: string): Promise<string> {
  const serial = new X509Certificate(certificate).serialNumber.toLowerCase()
  await mkdir(join(dir, 'issued'), { recursive: true, mode: 0o700 })
  await writeNew(join(dir, 'issued', `${serial}.pem`), certificate, 0o644)
  return serial
}

async function writeNew(path: string, text: string, mode: number): Promise<void> {
  const file = await open(path, 'wx', mode)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}
