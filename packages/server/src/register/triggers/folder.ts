import { watch, type FSWatcher } from 'node:fs'
import { lstat, opendir } from 'node:fs/promises'
import { basename, join } from 'node:path'

/** Folders watched at the most; the system has a limit for all programs of a user together. */
const MAX_FOLDERS = 4_096

/** A folder of which the system tells when something in it changes. */
export interface WatchedFolder {
  /** Takes in folders that came since; before the folder is looked through, so that nothing falls between the two. */
  refresh(): Promise<void>
  /** folders that are watched */
  readonly watched: number
  close(): void
}

/**
 * Watches the folders below a root, without links, for as far as the system does: not on most network file systems, and so many
 * at the most. What it tells is a hint that it is time to look; the look decides.
 */
export function watchFolder(root: string, hint: () => void): WatchedFolder {
  const watchers = new Map<string, { watcher: FSWatcher; inode: string }>()
  let closed = false
  const drop = (folder: string): void => {
    watchers.get(folder)?.watcher.close()
    watchers.delete(folder)
  }
  const add = (folder: string, inode: string): void => {
    if (closed || watchers.has(folder) || watchers.size >= MAX_FOLDERS) return
    const path = join(root, folder)
    try {
      const watcher = watch(path, { persistent: false }, (event, name) => {
        // A folder that went may have come again: its watcher sees nothing of the new one.
        if (event === 'rename' && name !== null) drop(join(folder, name))
        if (event === 'rename' && name === basename(path)) drop(folder)
        hint()
      })
      watcher.on('error', () => drop(folder))
      watchers.set(folder, { watcher, inode })
    } catch {
      // The poll finds what is not watched.
    }
  }
  return {
    async refresh() {
      const found = new Map<string, string>()
      await foldersBelow(root, '', found)
      for (const [folder, { inode }] of watchers) if (found.get(folder) !== inode) drop(folder)
      for (const [folder, inode] of found) add(folder, inode)
    },
    get watched() {
      return watchers.size
    },
    close() {
      closed = true
      for (const folder of [...watchers.keys()]) drop(folder)
    },
  }
}

/** Folders by their path below the root, with what tells one from another of the same name. */
async function foldersBelow(root: string, folder: string, found: Map<string, string>): Promise<void> {
  if (found.size >= MAX_FOLDERS) return
  try {
    const path = join(root, folder)
    const entries = await opendir(path)
    const { dev, ino } = await lstat(path)
    found.set(folder, `${dev} ${ino}`)
    for await (const entry of entries)
      if (entry.isDirectory()) await foldersBelow(root, join(folder, entry.name), found)
  } catch {
    // What cannot be read is not watched; the look says so.
  }
}
