import { sql, type Kysely } from 'kysely'
import { SET_VERSIONS_SKIPPED } from './site-schema.ts'

/**
 * Further than any site registers between two backups: an LFN that somebody may hold never names another volume, and no cursor of the
 * list of changes lies beyond what happens next.
 */
const COUNTER_GAP = 1_000_000

/** The same for the versions of sets, of which no key server knows anything. */
const SET_VERSION_GAP = 1_000

/** A key server that was put back asks every witness before it serves (decision 23). */
export async function markKeys(db: Kysely<never>, now: Date): Promise<void> {
  await sql`delete from waiver`.execute(db)
  await sql`delete from restored`.execute(db)
  await sql`insert into restored (since) values (${now.toISOString()})`.execute(db)
}

/** A site that was put back asks its key servers what was registered since, before it registers anything (decision 26). */
export async function markSite(db: Kysely<never>, now: Date): Promise<void> {
  await sql`delete from restored`.execute(db)
  await sql`insert into restored (since) values (${now.toISOString()})`.execute(db)
  // What was under way may have become a volume since: its shares are not this store's to delete.
  await sql`delete from attempts`.execute(db)
  await sql`update counters set value = value + ${COUNTER_GAP} where name like 'lfn/%' or name = 'changes'`.execute(
    db,
  )
  await sql`insert into counters (name, value) values (${SET_VERSIONS_SKIPPED}, ${SET_VERSION_GAP})
    on conflict (name) do update set value = counters.value + ${SET_VERSION_GAP}`.execute(db)
}
