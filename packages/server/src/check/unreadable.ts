import { MdmError } from '@mdm/core/errors'
import { fault, type Finding } from '@mdm/core/findings'

/** A configuration that cannot be read: nothing else can be looked at. */
export function unreadable(file: string, error: unknown): Finding {
  if (!(error instanceof MdmError)) throw error
  return fault(
    'configuration',
    file,
    error.message,
    'mend what it names; "mdm-server init" shows what each field is for',
  )
}
