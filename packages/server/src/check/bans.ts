import { fault, good, shellWord, type Finding } from '@mdm/core/findings'
import type { MdmError } from '@mdm/core/errors'
import { openBanFile } from '../keyshares/ban-file.ts'

/** Can the list of bans be read? A server does not start without its bans. */
export async function checkBans(file: string | undefined): Promise<Finding> {
  if (file === undefined) return good('bans', '', 'no list is configured')
  try {
    const { principals } = await openBanFile(file)
    return good('bans', file, `${principals.length} principals are banned`)
  } catch (error) {
    const next = `write ${shellWord(file)} as a JSON list such as [{"kind": "user", "dn": "...", "issuer": "..."}], or []`
    return fault(
      'bans',
      file,
      `${(error as MdmError).message}: a server that runs goes on with the last good list`,
      next,
    )
  }
}
