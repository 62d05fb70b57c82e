import type { SiteQueries } from '../store/site-store.ts'
import type { Collector } from './findings.ts'

/** Whether the list of changes tells of every version, and of every volume what is so now. */
export async function checkChanges(db: SiteQueries, to: Collector): Promise<void> {
  const untold = await db
    .selectFrom('versions')
    .innerJoin('volumes', 'volumes.guid', 'versions.guid')
    .leftJoin('changes', (join) =>
      join
        .onRef('changes.guid', '=', 'versions.guid')
        .onRef('changes.version', '=', 'versions.version')
        .on('changes.change', 'in', ['registered', 'new-version']),
    )
    .select(['versions.guid', 'versions.version'])
    .where('changes.seq', 'is', null)
    .orderBy('versions.guid')
    .execute()
  for (const { guid, version } of untold) to.find('change-missing', `${guid}@${version}`)
  const last = await db
    .selectFrom('volumes')
    .innerJoin('changes', 'changes.guid', 'volumes.guid')
    .select(['volumes.guid', 'volumes.gone_since', 'changes.change'])
    .where('changes.seq', '=', (eb) =>
      eb
        .selectFrom('changes as later')
        .select((inner) => inner.fn.max<number>('later.seq').as('seq'))
        .whereRef('later.guid', '=', 'volumes.guid'),
    )
    .orderBy('volumes.guid')
    .execute()
  for (const { guid, gone_since: since, change } of last)
    if ((since !== null) !== (change === 'gone')) to.find('change-missing', guid)
  const { n } = await db
    .selectFrom('changes')
    .select((eb) => eb.fn.countAll().as('n'))
    .executeTakeFirstOrThrow()
  to.look('changes', Number(n))
}
