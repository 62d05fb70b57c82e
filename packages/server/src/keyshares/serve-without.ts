import { THE_SITE } from '@mdm/core/acl/catch-up'
import { MdmError } from '@mdm/core/errors'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import type { Audit } from '../audit/audit.ts'
import type { Db } from './share-store.ts'

/**
 * The operator goes on without a witness, once: its answer is not waited for, and what it claims does not count. A server that
 * runs sees it within seconds; the next start asks all of them again.
 *
 * @param o `witness` is `site`, or an id of a key server or its first 12 characters or more
 * @returns the full name of the witness
 * @throws MDM_USAGE when no trusted roster names it
 */
export async function serveWithout(
  db: Db,
  rosters: readonly TrustedRoster[],
  o: { witness: string; reason: string; now: Date },
): Promise<string> {
  const ids = new Set(rosters.flatMap(({ body }) => body.keyServers.map(({ id }) => id as string)))
  const named = [THE_SITE, ...ids].filter((name) => name === o.witness || isPrefix(o.witness, name))
  const [witness] = named
  if (witness === undefined || named.length > 1)
    throw new MdmError('MDM_USAGE', 'no trusted roster names this witness: "site", or the id of a key server')
  const row = { witness, reason: o.reason.slice(0, 500), created: o.now.toISOString() }
  await db
    .insertInto('waiver')
    .values(row)
    .onConflict((conflict) => conflict.column('witness').doUpdateSet(row))
    .execute()
  return witness
}

/** Writes down in whose name; by the server itself, since the audit log has one writer. */
export async function noteWaivers(db: Db, audit: Audit): Promise<void> {
  for (const { witness, reason, created } of await db.selectFrom('waiver').selectAll().execute()) {
    await audit.record({
      ...{ eventId: `waiver:${witness}:${created}`, event: 'witness-waived', outcome: 'done' },
      facts: { witness, reason, created },
    })
  }
}

function isPrefix(text: string, id: string): boolean {
  return /^[0-9a-f]{12,64}$/.test(text) && id.startsWith(text)
}
