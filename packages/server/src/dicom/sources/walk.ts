import { constants } from 'node:fs'
import { lstat, open, opendir, realpath, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'

export interface FoundFile {
  /** below the root, with / between folders */
  path: string
  bytes: number
  modified: number
  inode: number
}

/**
 * Every regular file below a folder, in order of path; links are neither followed nor listed.
 *
 * @throws what the file system says; only what vanishes meanwhile is passed over, but never the root
 */
export async function walk(root: string, signal?: AbortSignal): Promise<FoundFile[]> {
  const files: FoundFile[] = []
  const visit = async (folder: string): Promise<void> => {
    for await (const entry of await opendir(join(root, folder))) {
      signal?.throwIfAborted()
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (entry.isDirectory()) await visit(path).catch(unlessVanished)
      if (!entry.isFile()) continue
      const stat = await lstat(join(root, path)).catch(unlessVanished)
      if (stat?.isFile()) files.push({ path, bytes: stat.size, modified: stat.mtimeMs, inode: stat.ino })
    }
  }
  await visit('')
  return files.sort((a, b) => (a.path < b.path ? -1 : 1))
}

/**
 * Opens a regular file below the root and nothing else: not through a link at its end, nor through one on the way.
 *
 * @returns undefined when it is not, or no longer, such a file
 * @throws what the file system says, such as that it may not be read
 */
export async function openBelow(root: string, path: string): Promise<FileHandle | undefined> {
  const full = join(root, path)
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const file = await open(full, flags).catch(unlessVanished)
  if (file === undefined) return undefined
  try {
    const real = await realpath(full)
    const [there, opened] = [await lstat(real), await file.stat()]
    const same = there.ino === opened.ino && there.dev === opened.dev
    if (opened.isFile() && same && real === join(await realpath(root), path)) return file
  } catch (error) {
    await file.close()
    unlessVanished(error)
    return undefined
  }
  await file.close()
  return undefined
}

/** Passes over what is gone, or has become a link. */
function unlessVanished(error: unknown): undefined {
  const code = (error as NodeJS.ErrnoException).code ?? ''
  if (!['ENOENT', 'ENOTDIR', 'ELOOP'].includes(code)) throw error
  return undefined
}
