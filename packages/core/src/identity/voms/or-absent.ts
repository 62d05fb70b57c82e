import { MdmError } from '../../errors.ts'

/** What cannot be read or does not hold counts as absent; another error than about that is our own fault, and stays one. */
export function orAbsent<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    if (error instanceof MdmError) return undefined
    throw error
  }
}
