import { readFile, stat } from 'node:fs/promises'
import { z } from 'zod'
import { WrittenPrincipal, type Principal } from '@mdm/core/acl/principal'
import { MdmError } from '@mdm/core/errors'

/** The operator's own list of principals that nobody here answers, beside what sites ban by statements. */
export interface BanFile {
  readonly principals: readonly Principal[]
  /** False while the file is there and cannot be read; the last good list stays in force. */
  readonly readable: boolean
  /** Reads the file again if it changed. */
  refresh(): Promise<void>
}

const ABSENT = 'absent'

/**
 * @param file path of a JSON list of principals; an absent file is an empty list. One that was there must be gone at two looks, for
 *   editors take a file away for a moment
 * @throws MDM_CONFIG when it is there and cannot be read at the start: a server does not begin without its bans
 */
export async function openBanFile(file: string | undefined): Promise<BanFile> {
  let principals: readonly Principal[] = []
  let readable = true
  let version = ''
  let wasGone = true
  const refresh = async (): Promise<void> => {
    if (file === undefined) return
    try {
      const found = await versionOf(file)
      const isGone = found === ABSENT
      const counts = found !== version && (!isGone || wasGone)
      wasGone = isGone
      if (counts) principals = isGone ? [] : await readBans(file)
      if (counts) version = found
      readable = true
    } catch (cause) {
      readable = false
      throw cause instanceof MdmError
        ? cause
        : new MdmError('MDM_CONFIG', 'the ban list cannot be read', { cause })
    }
  }
  await refresh()
  return {
    get principals() {
      return principals
    },
    get readable() {
      return readable
    },
    refresh: () => refresh().catch(() => undefined),
  }
}

/** @throws MDM_CONFIG that names the entry, by its place */
async function readBans(file: string): Promise<Principal[]> {
  const list = z.array(z.unknown()).parse(JSON.parse(await readFile(file, 'utf8')))
  return list.map((entry, i) => {
    const { data, success } = WrittenPrincipal.safeParse(entry)
    if (!success) throw new MdmError('MDM_CONFIG', `entry ${i + 1} of the ban list names nobody`)
    return data
  })
}

/** Only a file that is surely not there is absent: of one that cannot be looked at nobody knows whom it bans. */
async function versionOf(file: string): Promise<string> {
  try {
    const { ino, size, mtimeMs } = await stat(file)
    return `${ino} ${size} ${mtimeMs}`
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ABSENT
    throw error
  }
}
