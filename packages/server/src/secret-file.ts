import { open } from 'node:fs/promises'
import { MdmError } from '@mdm/core/errors'

/**
 * Reads a file that nobody but its owner may read.
 *
 * @param bytes length it must have; any when absent
 * @throws MDM_CONFIG when it is missing, open to others, or of another length
 */
export async function readSecretFile(file: string, bytes?: number): Promise<Buffer> {
  const handle = await open(file).catch((cause: unknown) => {
    throw new MdmError('MDM_CONFIG', 'a key file of the configuration cannot be read', { cause })
  })
  try {
    // Asked of the open file, so that it cannot be another one that is read.
    const { mode } = await handle.stat()
    if ((mode & 0o077) !== 0) throw new MdmError('MDM_CONFIG', 'a key file is open to others: chmod 600')
    const content = await handle.readFile()
    if (bytes === undefined || content.length === bytes) return content
    throw new MdmError('MDM_CONFIG', `a key file does not have ${bytes} bytes`)
  } finally {
    await handle.close()
  }
}
