import { mkdir, open, readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { MdmError } from '@mdm/core/errors'

/** A new folder of a server, user or CA; what is written into it is for its owner only. */
export interface Folder {
  readonly dir: string
  path(name: string): string
  /** Writes a file of mode 0600, or 0400 when nothing ever changes it; makes the folders above it. */
  write(name: string, content: string | Buffer, mode?: 0o600 | 0o400): Promise<string>
  writeJson(name: string, value: unknown): Promise<string>
}

/**
 * Makes a folder of mode 0700.
 *
 * @throws MDM_CONFLICT when it holds something: keys are never overwritten
 */
export async function newFolder(dir: string): Promise<Folder> {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  if ((await readdir(dir)).length > 0)
    throw new MdmError('MDM_CONFLICT', 'the folder to provision is not empty')
  const path = (name: string) => join(dir, name)
  const write: Folder['write'] = async (name, content, mode = 0o600) => {
    await mkdir(dirname(path(name)), { recursive: true, mode: 0o700 })
    const file = await open(path(name), 'wx', mode)
    try {
      await file.writeFile(content)
      // A key whose public part has been given away must not be lost with the power.
      await file.sync()
    } finally {
      await file.close()
    }
    return path(name)
  }
  return { dir, path, write, writeJson: (name, value) => write(name, `${JSON.stringify(value, null, 2)}\n`) }
}
