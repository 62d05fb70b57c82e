import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Free bytes on the disk of a path, or of the nearest folder above it that is there. */
export async function freeBytes(path: string): Promise<number> {
  const found = await statfs(path).catch(() => undefined)
  if (found !== undefined) return found.bavail * found.bsize
  return dirname(path) === path ? 0 : await freeBytes(dirname(path))
}
