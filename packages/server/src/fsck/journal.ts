import type { SiteQueries } from '../store/site-store.ts'
import type { Collector } from './findings.ts'

/** What registration has begun and not ended, and whether journal and catalog agree. */
export async function checkJournal(db: SiteQueries, to: Collector): Promise<void> {
  const open = await db
    .selectFrom('journal')
    .select(['state', 'code', (eb) => eb.fn.countAll().as('entries')])
    .where('state', 'in', ['PENDING', 'WAITING'])
    .groupBy(['state', 'code'])
    .orderBy('state')
    .execute()
  for (const { state, code, entries } of open)
    to.find('registration-open', `${Number(entries)} ${state}${code === null ? '' : ` (${code})`}`)
  const lost = await db
    .selectFrom('journal')
    .leftJoin('volumes', 'volumes.volume_key', 'journal.volume_key')
    .leftJoin('sets', 'sets.set_key', 'journal.volume_key')
    .select((eb) => eb.fn.countAll().as('entries'))
    .where('journal.state', '=', 'ACTIVE')
    .where('volumes.guid', 'is', null)
    .where('sets.guid', 'is', null)
    .executeTakeFirstOrThrow()
  if (Number(lost.entries) > 0) to.find('registration-lost', `${Number(lost.entries)} entries`)
  const unwritten = await db
    .selectFrom('volumes')
    .leftJoin('journal', 'journal.volume_key', 'volumes.volume_key')
    .select('volumes.guid')
    .where('journal.state', 'is', null)
    .execute()
  const unwrittenSets = await db
    .selectFrom('sets')
    .leftJoin('journal', 'journal.volume_key', 'sets.set_key')
    .select('sets.guid')
    .where('journal.state', 'is', null)
    .execute()
  for (const { guid } of [...unwritten, ...unwrittenSets]) to.find('registration-unwritten', guid)
  for (const { guid, kid } of await db
    .selectFrom('attempts')
    .select(['guid', 'kid'])
    .orderBy('created')
    .execute())
    to.find('shares-left', `${guid} kid ${kid}`)
  const { events } = await db
    .selectFrom('outbox')
    .select((eb) => eb.fn.countAll().as('events'))
    .executeTakeFirstOrThrow()
  if (Number(events) > 0) to.find('events-waiting', `${Number(events)} events`)
}
