import { readFile, readdir, realpath } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { good, warn, type Finding } from '@mdm/core/findings'

/**
 * Does a folder lie on an encrypted volume, as far as the kernel says: dm-crypt, directly or below LVM and RAID. A disk that
 * encrypts itself, or ZFS, cannot be seen.
 *
 * @param root where /proc and /sys are
 */
export async function checkEncryptedVolume(folder: string, root = '/'): Promise<Finding> {
  const message = 'no encrypted volume is seen below it'
  const next =
    'move it to a volume made with "cryptsetup luksFormat DEVICE"; nothing to do if the disk encrypts itself'
  try {
    const path = await realpath(folder)
    const mount = mountOf(await readFile(join(root, 'proc/self/mountinfo'), 'utf8'), path)
    const devices = mount === undefined ? [] : await devicesOf(mount, root)
    if (devices.length > 0 && (await Promise.all(devices.map((d) => isEncrypted(d, root)))).every(Boolean))
      return good('encrypted-volume', folder, 'it lies on an encrypted volume')
  } catch {
    // What cannot be looked at is not seen.
  }
  return warn('encrypted-volume', folder, message, next)
}

interface Mount {
  readonly point: string
  readonly device: string
  readonly source: string
}

/** The mount that a path lies on: the longest that it is below, and of equal ones the last. @see proc_pid_mountinfo(5) */
function mountOf(mountinfo: string, path: string): Mount | undefined {
  const mounts = mountinfo.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ')
    const [, , device, , point] = before.split(' ')
    const source = after.split(' ')[1]
    if (device === undefined || point === undefined || source === undefined) return []
    return [{ device, point: unescape(point), source: unescape(source) }]
  })
  const above = mounts.filter(
    ({ point }) => path === point || path.startsWith(point === '/' ? '/' : `${point}/`),
  )
  return above.reduce<Mount | undefined>(
    (best, next) => (best === undefined || next.point.length >= best.point.length ? next : best),
    undefined,
  )
}

/** Folders of the block devices in /sys: by number, or by name where the file system has a number of its own (btrfs). */
async function devicesOf({ device, source }: Mount, root: string): Promise<string[]> {
  const byNumber = join(root, 'sys/dev/block', device)
  if (await isThere(byNumber)) return [byNumber]
  if (!source.startsWith('/dev/')) return []
  const name = basename(await realpath(join(root, source)).catch(() => source))
  const byName = join(root, 'sys/class/block', name)
  return (await isThere(byName)) ? [byName] : []
}

/** True for a dm-crypt device, and for one whose every part is. */
async function isEncrypted(device: string, root: string): Promise<boolean> {
  const uuid = await readFile(join(device, 'dm/uuid'), 'utf8').catch(() => '')
  if (uuid.startsWith('CRYPT-')) return true
  const parts = await readdir(join(device, 'slaves')).catch(() => [])
  const encrypted = await Promise.all(
    parts.map((name) => isEncrypted(join(root, 'sys/class/block', name), root)),
  )
  return encrypted.length > 0 && encrypted.every(Boolean)
}

async function isThere(path: string): Promise<boolean> {
  return await realpath(path).then(
    () => true,
    () => false,
  )
}

function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)))
}
