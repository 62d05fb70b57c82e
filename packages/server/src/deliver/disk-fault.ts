import { MdmError } from '@mdm/core/errors'

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

/** What a fault of the spool's disk means to the caller: MDM_SPOOL_FULL, since a later try may succeed. Other errors stay. */
export function diskFault(cause: unknown): unknown {
  const { code, syscall } = (cause ?? {}) as NodeJS.ErrnoException
  if (code === undefined || syscall === undefined) return cause
  const text = FULL.has(code) ? undefined : 'the spool of the site cannot be read or written now'
  return new MdmError('MDM_SPOOL_FULL', text, { cause })
}
