import { MdmError } from '@mdm/core/errors'

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

/** What a failed write to the spool means to the caller: MDM_SPOOL_FULL when there is no room, else our own fault. */
export function diskFault(cause: unknown): unknown {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code
  return code !== undefined && FULL.has(code) ? new MdmError('MDM_SPOOL_FULL', undefined, { cause }) : cause
}
