import { existsSync } from 'node:fs'
import { fault, type Finding } from '@mdm/core/findings'
import { MdmError } from '@mdm/core/errors'
import { openRosters, type Rosters } from '../store/rosters.ts'

/**
 * Reads the folder of rosters and verifies its chains.
 *
 * @param o `next` is what brings the first one, `restore` what brings back damaged ones
 * @returns no rosters where the folder is missing or does not verify, with the finding that says so
 */
export async function readRosters(
  dir: string,
  { next, restore }: { next: string; restore: string },
): Promise<{ findings: Finding[]; rosters?: Rosters }> {
  if (!existsSync(dir)) return { findings: [fault('roster', dir, 'no roster is accepted here yet', next)] }
  try {
    const rosters = await openRosters(dir)
    if (rosters.current().length > 0) return { findings: [], rosters }
    return { findings: [fault('roster', dir, 'no roster is accepted here yet', next)] }
  } catch (error) {
    const message = error instanceof MdmError ? error.message : 'the folder cannot be read'
    return { findings: [fault('roster', dir, message, restore)] }
  }
}
