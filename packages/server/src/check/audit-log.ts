import { access, constants, open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { MdmError } from '@mdm/core/errors'
import { fault, good, shellWord, type Finding } from '@mdm/core/findings'
import { readAuditChain } from '../audit/chain.ts'
import { freeBytes } from './free-space.ts'

/** Room below which the log is as good as full: some 100,000 records. */
const MIN_FREE_BYTES = 64 * 1024 * 1024

/** May the audit log be written, has it room, and does its chain verify? Nothing is released where it cannot be written. */
export async function checkAudit(file: string): Promise<Finding[]> {
  const folder = dirname(file)
  if ((await stat(folder).catch(() => undefined)) === undefined)
    return [fault('audit', file, 'its folder is missing', `mkdir -m 700 -p ${shellWord(folder)}`)]
  const free = await freeBytes(folder)
  const room =
    free < MIN_FREE_BYTES
      ? [
          fault(
            'audit',
            file,
            'its disk is full: nothing can be released',
            `df ${shellWord(folder)}, and make room`,
          ),
        ]
      : []
  return [...room, await chain(file)]
}

async function chain(file: string): Promise<Finding> {
  let handle
  try {
    handle = await open(file, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      return good('audit', file, 'the first start makes it')
    return fault(
      'audit',
      file,
      'it cannot be read',
      `chmod 600 ${shellWord(file)}, as the user of the server`,
    )
  }
  try {
    const { head } = await readAuditChain(handle, 0)
    await access(file, constants.W_OK)
    return good('audit', file, `${head.seq} records, each follows from the one before`)
  } catch (error) {
    if (error instanceof MdmError) {
      const next = 'do not start the server: keep the file, and compare it with the logs of the other servers'
      return fault('audit', file, error.message, next)
    }
    return fault(
      'audit',
      file,
      'it cannot be written',
      `chmod 600 ${shellWord(file)}, as the user of the server`,
    )
  } finally {
    await handle.close()
  }
}
