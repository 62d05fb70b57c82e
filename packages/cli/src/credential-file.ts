import { randomBytes } from 'node:crypto'
import { link, readFile, stat, unlink } from 'node:fs/promises'
import { MdmError } from '@mdm/core/errors'

/**
 * Writes what was delegated, whole or not at all and for its owner only (0600); `-` is stdout. An older one of that name goes.
 *
 * @throws MDM_CONFLICT when something else has that name, such as the certificate that it was made with
 */
export async function writeDelegated(path: string, pem: string): Promise<void> {
  if (path === '-') return void process.stdout.write(pem)
  if (!(await mayBeReplaced(path)))
    throw new MdmError('MDM_CONFLICT', 'the file is there already and holds no proxy: it is not overwritten')
  const { writeWhole } = await import('@mdm/core/access/whole-file')
  await writeWhole(path, once(pem), { temporary: partOf(path) })
}

/** Writes a new private key (0600), never over another file. @throws MDM_CONFLICT */
export async function writeNewKey(path: string, pem: string): Promise<void> {
  const { syncFolder, writeWhole } = await import('@mdm/core/access/whole-file')
  const [whole, part] = [partOf(path), partOf(path)]
  await writeWhole(whole, once(pem), { temporary: part })
  try {
    await link(whole, path)
    await syncFolder(path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
    throw new MdmError('MDM_CONFLICT', 'the file is there already: a key is never overwritten')
  } finally {
    await unlink(whole)
  }
}

async function mayBeReplaced(path: string): Promise<boolean> {
  const { describeCredential } = await import('@mdm/core/identity/proxy/describe')
  try {
    // A pipe has no content that ends, and another name for stdout would be replaced by a file.
    if (!(await stat(path)).isFile()) return false
    return describeCredential(await readFile(path, 'utf8')).kind !== 'certificate'
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
}

function partOf(path: string): string {
  return `${path}.${randomBytes(6).toString('hex')}.part`
}

async function* once(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text)
}
