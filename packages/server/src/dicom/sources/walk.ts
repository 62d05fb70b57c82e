import { lstat, opendir, open, realpath, type FileHandle } from 'node:fs/promises'
import { constants } from 'node:fs'
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
 * @throws what the file system says about the root; a folder below it that vanishes meanwhile is skipped
 */
export async function walk(root: string, signal?: AbortSignal): Promise<FoundFile[]> {
  const files: FoundFile[] = []
  const visit = async (folder: string): Promise<void> => {
    signal?.throwIfAborted()
    for await (const entry of await opendir(join(root, folder))) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (entry.isDirectory()) await visit(path).catch(unlessRoot)
      if (!entry.isFile()) continue
      const stat = await lstat(join(root, path)).catch(() => undefined)
      if (stat?.isFile()) files.push({ path, bytes: stat.size, modified: stat.mtimeMs, inode: stat.ino })
    }
  }
  const unlessRoot = (error: unknown): void => {
    if (signal?.aborted) throw error
  }
  await visit('')
  return files.sort((a, b) => (a.path < b.path ? -1 : 1))
}

/**
 * Opens a regular file below the root and nothing else: not through a link at its end, nor through one on the way.
 *
 * @returns undefined when it is not, or no longer, such a file
 */
export async function openBelow(root: string, path: string): Promise<FileHandle | undefined> {
  const full = join(root, path)
  const file = await open(full, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    () => undefined,
  )
  if (file === undefined) return undefined
  try {
    const real = await realpath(full)
    const [there, opened] = [await lstat(real), await file.stat()]
    const same = there.ino === opened.ino && there.dev === opened.dev
    if (opened.isFile() && same && real === join(await realpath(root), path)) return file
  } catch {
    // vanished between open and check: treated as absent
  }
  await file.close()
  return undefined
}
