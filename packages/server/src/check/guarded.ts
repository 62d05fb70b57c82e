import { MdmError } from '@mdm/core/errors'
import { fault, type Finding } from '@mdm/core/findings'

/** Runs one part of a check; what it cannot look at is a fault of its own, and the others go on. */
export async function guarded(
  name: string,
  look: () => Promise<Finding | readonly Finding[]>,
): Promise<Finding[]> {
  try {
    return [await look()].flat()
  } catch (error) {
    const why =
      error instanceof MdmError ? error.message : ((error as NodeJS.ErrnoException).code ?? 'a fault of MDM')
    const next = 'see that the user of the server may read what the configuration names; if so, report it'
    return [fault(name, '', `it could not be looked at: ${why}`, next)]
  }
}
