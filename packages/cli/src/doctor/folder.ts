import { constants } from 'node:fs'
import { access, readdir, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { lockHolder } from '@mdm/core/access/part-lock'
import { fault, good, shellWord, warn, type Finding } from '@mdm/core/findings'
import { readableBytes } from '../output.ts'

/** A big volume and its container need about this. */
const LOW_BYTES = 2 * 1024 ** 3

/** Can a volume be written into this folder, and does an earlier get stand in the way? */
export async function checkFolder(folder: string): Promise<Finding[]> {
  try {
    await access(folder, constants.W_OK | constants.X_OK)
  } catch {
    const next = 'cd "$HOME", or give mdm get -o another folder'
    return [fault('folder', folder, 'you may not write here', next)]
  }
  const { bavail, bsize } = await statfs(folder)
  const free = Number(bavail) * Number(bsize)
  const room = `${readableBytes(free)} free`
  const found =
    free < LOW_BYTES
      ? warn(
          'folder',
          folder,
          room,
          `df -h ${shellWord(folder)} shows the disk; make room, or give mdm get -o another one`,
        )
      : good('folder', folder, `writable, ${room}`)
  const locks = (await readdir(folder)).filter((name) => name.endsWith('.part.lock')).toSorted()
  return [found, ...(await Promise.all(locks.map((name) => checkLock(join(folder, name)))))]
}

async function checkLock(lock: string): Promise<Finding> {
  const remove = `rm ${shellWord(lock)}`
  const holder = await lockHolder(lock)
  if (holder === undefined) return warn('lock', lock, 'it names no process', remove)
  const { host, pid, state } = holder
  if (state === 'running') return good('lock', lock, `process ${pid} is writing this file`)
  if (state === 'elsewhere') {
    const message = `process ${pid} of machine ${host} held it; no other get to this name begins while it is there`
    return warn('lock', lock, message, `${remove}, if that process is gone`)
  }
  return warn('lock', lock, `its process ${pid} has ended; the same mdm get goes on from there`, remove)
}
