import { readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fault, good, shellWord, warn, type Finding } from '@mdm/core/findings'
import { freeBytes } from './free-space.ts'

const GIB = 1024 ** 3
/** Room below which hardly a volume can be prepared. */
const MIN_ROOM_BYTES = 256 * 1024 * 1024

/**
 * Does the spool have the room that its quota promises? What is sealed in it goes by itself when room is needed, so the spool
 * is full when free disk and sealed containers together are too little.
 */
export async function checkSpool(dir: string, quotaBytes: number): Promise<Finding> {
  const held = await bytesIn(dir)
  const free = await freeBytes(dir)
  const room = Math.min(quotaBytes, held + free)
  if (room < MIN_ROOM_BYTES && quotaBytes >= MIN_ROOM_BYTES)
    return fault('spool', dir, `full: ${gib(free)} GiB are free on its disk`, freeing(dir))
  if (room < MIN_ROOM_BYTES) {
    const next = 'raise spool.quotaBytes in site.json above the largest volume, then restart the site'
    return fault('spool', dir, `full: the quota of ${quotaBytes} bytes leaves no room for a volume`, next)
  }
  if (room < quotaBytes) {
    const next = `set spool.quotaBytes to ${Math.floor(room * 0.9)} in site.json and restart the site, or ${freeing(dir)}`
    return warn(
      'spool',
      dir,
      `its disk has room for ${gib(room)} GiB, and the quota is ${gib(quotaBytes)} GiB`,
      next,
    )
  }
  return good('spool', dir, `${gib(held)} GiB of ${gib(quotaBytes)} GiB taken`)
}

function freeing(dir: string): string {
  return `"du -x -d 1 -h ${shellWord(dirname(dir))}" shows what fills the disk: make room`
}

/** What the spool may delete; other people's files in its folder stay. */
const SPOOLED = /^[A-Za-z0-9_-]{43}(?:\.(?:filling|spill))?$/

async function bytesIn(dir: string): Promise<number> {
  const names = (await readdir(dir).catch(() => [])).filter((name) => SPOOLED.test(name))
  const sizes = await Promise.all(
    names.map(async (name) => (await stat(join(dir, name)).catch(() => undefined))?.size ?? 0),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

function gib(bytes: number): string {
  return (bytes / GIB).toFixed(1)
}
