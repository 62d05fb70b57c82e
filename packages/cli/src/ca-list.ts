import { open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { MdmError } from '@mdm/core/errors'

/** A revocation list on disk. */
export interface WrittenList {
  readonly list: string
  /** ISO date and time: servers let in nobody of this CA after it */
  readonly nextUpdate: string
  /** certificates on the list */
  readonly revoked: number
}

/**
 * Certificate and key of the authority that `mdm ca init` made.
 *
 * @throws MDM_USAGE when the folder does not hold both
 */
export async function readAuthority(dir: string): Promise<{ certificate: string; key: string }> {
  const read = (name: string) => readFile(join(dir, name), 'utf8')
  try {
    const [certificate, key] = await Promise.all([read('ca.pem'), read('ca.key')])
    return { certificate, key }
  } catch (cause) {
    throw new MdmError('MDM_USAGE', 'the folder named by --ca holds no ca.pem and ca.key that can be read', {
      cause,
    })
  }
}

/**
 * Writes the next revocation list of an authority to its ca.crl, whole or not at all.
 *
 * @param o `revoke` are serial numbers to add; `days` until the list ends
 * @throws MDM_CONFLICT while another command writes it; MDM_CONFIG when the list that is there is not by this authority
 */
export async function writeList(
  dir: string,
  o: { ca: { certificate: string; key: string }; revoke: readonly string[]; days: number },
): Promise<WrittenList> {
  const { nextCrl } = await import('@mdm/core/identity/crl/write-crl')
  const path = join(dir, 'ca.crl')
  const part = `${path}.part`
  // Made before the last list is read: of two commands at once one would lose what the other revoked.
  const file = await open(part, 'wx', 0o644).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'EEXIST') throw cause
    const what = 'another command writes the list; if none does, delete ca.crl.part'
    throw new MdmError('MDM_CONFLICT', what, { cause })
  })
  try {
    const last = await readFile(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    const { pem, list } = nextCrl({ ...o, last, now: new Date() })
    await file.writeFile(pem)
    await file.sync()
    await rename(part, path)
    return { list: path, nextUpdate: list.nextUpdate.toISOString(), revoked: list.revoked.size }
  } catch (error) {
    await rm(part, { force: true })
    throw error
  } finally {
    await file.close()
  }
}
