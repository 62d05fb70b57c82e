import type { SiteQueries } from '../store/site-store.ts'
import type { Collector } from './findings.ts'

/** Every set with its versions: two members or more, without a gap along the axis, each a version that there is. */
export async function checkSets(db: SiteQueries, to: Collector): Promise<void> {
  const sets = await db.selectFrom('sets').select(['guid', 'latest']).orderBy('guid').execute()
  to.look('sets', sets.length)
  for (const { guid, latest } of sets) {
    const versions = await db.selectFrom('set_versions').select('version').where('guid', '=', guid).execute()
    if (Math.max(...versions.map(({ version }) => version)) !== latest) to.find('set-altered', guid)
    for (const { version } of versions) {
      const members = await db
        .selectFrom('set_members')
        .leftJoin('versions', (join) =>
          join
            .onRef('versions.guid', '=', 'set_members.member')
            .onRef('versions.version', '=', 'set_members.member_version'),
        )
        .select(['set_members.position', 'versions.guid as known'])
        .where('set_members.guid', '=', guid)
        .where('set_members.version', '=', version)
        .orderBy('set_members.position')
        .execute()
      const whole =
        members.length > 1 && members.every(({ position, known }, i) => position === i && known !== null)
      if (!whole) to.find('set-altered', `${guid}@${version}`)
    }
  }
  for (const table of ['set_versions', 'set_members'] as const) {
    const { rows } = await db
      .selectFrom(`${table as 'set_versions'} as row`)
      .leftJoin('sets', 'sets.guid', 'row.guid')
      .select((eb) => eb.fn.countAll().as('rows'))
      .where('sets.guid', 'is', null)
      .executeTakeFirstOrThrow()
    if (Number(rows) > 0) to.find('orphan-rows', `${Number(rows)} of ${table}`)
  }
}
