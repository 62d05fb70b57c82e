import { list } from '../../../../packages/core/src/access/metadata.ts'
import type { Session } from '../../../../packages/core/src/access/session.ts'
import type { Guid } from '../../../../packages/core/src/names.ts'
import { getHealth } from '../../../../packages/core/src/wire/common.ts'
import type { SiteGrid } from '../../site-grid.ts'
import { siteRows } from '../invariants.ts'

/** The pseudonyms that the site's volumes have, each once. */
export const pseudonyms = (grid: SiteGrid): string[] =>
  siteRows(grid, 'select distinct patient_id from patient').map((row) => String(row.patient_id))

/** The row of the key in use. */
export function keyRow(grid: SiteGrid): { guid: string; kid: string; epoch: number } {
  const [row] = siteRows(grid, 'select guid, kid, epoch from pseudonym_key')
  return { guid: String(row?.guid), kid: String(row?.kid), epoch: Number(row?.epoch) }
}

/** What the site says that registration waits for. */
export async function waitsFor({ site }: Session): Promise<readonly string[] | undefined> {
  return (await site.call(getHealth)).registrationWaitsFor
}

export async function guidsOf(session: Session): Promise<Guid[]> {
  const guids: Guid[] = []
  for await (const { guid } of list(session)) guids.push(guid)
  return guids
}

/** True once the site has got its key in this many of its starts. */
export function hasKey({ log }: SiteGrid, starts: number): boolean {
  return log.filter((line) => line.includes('"pseudonym-key-there"')).length === starts
}
