import type { SiteQueries } from '../store/site-store.ts'
import type { Collector } from './findings.ts'

/** What storage clients asked for: each request has files, each file its request, and what waits or is pinned is of a version that there is. */
export async function checkStorageRequests(db: SiteQueries, to: Collector): Promise<void> {
  const found = (rows: { rows: unknown }, table: string, why: string): void => {
    if (Number(rows.rows) > 0) to.find('orphan-rows', `${Number(rows.rows)} of ${table} ${why}`)
  }
  const { rows } = await db
    .selectFrom('srm_requests')
    .select((eb) => eb.fn.countAll().as('rows'))
    .executeTakeFirstOrThrow()
  to.look('storage requests', Number(rows))
  found(
    await db
      .selectFrom('srm_files')
      .leftJoin('srm_requests', 'srm_requests.token_digest', 'srm_files.token_digest')
      .select((eb) => eb.fn.countAll().as('rows'))
      .where('srm_requests.token_digest', 'is', null)
      .executeTakeFirstOrThrow(),
    ...(['srm_files', 'without a request'] as const),
  )
  found(
    await db
      .selectFrom('srm_requests')
      .leftJoin('srm_files', 'srm_files.token_digest', 'srm_requests.token_digest')
      .select((eb) => eb.fn.countAll().as('rows'))
      .where('srm_files.token_digest', 'is', null)
      .executeTakeFirstOrThrow(),
    ...(['srm_requests', 'without a file'] as const),
  )
  found(
    await db
      .selectFrom('srm_files')
      .leftJoin('versions', (join) =>
        join
          .onRef('versions.guid', '=', 'srm_files.guid')
          .onRef('versions.version', '=', 'srm_files.version'),
      )
      .select((eb) => eb.fn.countAll().as('rows'))
      .where('srm_files.state', 'in', ['QUEUED', 'IN_PROGRESS', 'READY'])
      .where('versions.guid', 'is', null)
      .executeTakeFirstOrThrow(),
    ...(['srm_files', 'of no version'] as const),
  )
}
