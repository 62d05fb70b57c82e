import { containerLength } from '@mdm/core/crypto/container/profile'
import { verifyManifest } from '@mdm/core/crypto/manifest'
import { MdmError } from '@mdm/core/errors'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import type { Guid, Kid, SiteId } from '@mdm/core/names'
import { Volume } from '@mdm/core/volume/volume'
import { TABLE_NAMES } from '../metadata/column-rights.ts'
import type { VersionsTable } from '../store/site-schema.ts'
import type { SiteQueries } from '../store/site-store.ts'
import type { Collector } from './findings.ts'

/** A version that is to be readable, for who asks the key servers about it. */
export interface ActiveVersion {
  readonly guid: Guid
  readonly version: number
  readonly kid: Kid
  readonly manifest: string
}

/** Every volume of the catalog with its versions, slices, tables and manifests. @returns versions whose manifest verifies */
export async function checkVolumes(
  db: SiteQueries,
  roster: TrustedRoster,
  to: Collector,
): Promise<ActiveVersion[]> {
  const active: ActiveVersion[] = []
  const volumes = await db.selectFrom('volumes').select(['guid', 'latest']).orderBy('guid').execute()
  to.look('volumes', volumes.length)
  for (const { guid, latest } of volumes) {
    const replica = await db.selectFrom('replicas').select('surl').where('guid', '=', guid).executeTakeFirst()
    if (replica === undefined) to.find('replica-missing', guid)
    const versions = await db.selectFrom('versions').selectAll().where('guid', '=', guid).execute()
    for (let version = 1; version <= latest; version++) {
      const row = versions.find((one) => one.version === version)
      if (row === undefined) to.find('version-missing', `${guid}@${version}`)
      else active.push(...(await checkVersion(db, row, roster, to)))
    }
    for (const { version } of versions) if (version > latest) to.find('version-altered', `${guid}@${version}`)
  }
  await checkOrphans(db, to)
  return active
}

async function checkVersion(
  db: SiteQueries,
  row: VersionsTable,
  roster: TrustedRoster,
  to: Collector,
): Promise<ActiveVersion[]> {
  const { guid, version, kid } = row
  const thing = `${guid}@${version}`
  to.look('versions')
  const slices = shapeOf(row, roster.body.site)
  if (slices === undefined) to.find('version-altered', thing)
  const stored = await db
    .selectFrom('slices')
    .select((eb) => [eb.fn.countAll().as('count'), eb.fn.max('slice_index').as('last')])
    .where('guid', '=', guid)
    .where('version', '=', version)
    .executeTakeFirstOrThrow()
  if (slices !== undefined && (Number(stored.count) !== slices || Number(stored.last) !== slices - 1))
    to.find('slices-missing', thing)
  for (const table of TABLE_NAMES) {
    const found = await db
      .selectFrom(table as 'image')
      .select('guid')
      .where('guid', '=', guid)
      .where('version', '=', version)
      .executeTakeFirst()
    if (found === undefined) to.find('table-row-missing', `${thing} ${table}`)
  }
  const manifest = await db
    .selectFrom('manifests')
    .select('jws')
    .where('guid', '=', guid)
    .where('version', '=', version)
    .orderBy('epoch', 'desc')
    .executeTakeFirst()
  if (manifest === undefined) {
    to.find('manifest-missing', thing)
    return []
  }
  try {
    await verifyManifest(manifest.jws, roster.signers, { site: roster.body.site, guid, version, kid })
    return [{ guid, version, kid, manifest: manifest.jws }]
  } catch (error) {
    if (!(error instanceof MdmError)) throw error
    to.find('manifest-unverified', thing)
    return []
  }
}

/** How many slices a version has; undefined when its lengths do not add up. */
function shapeOf(row: VersionsTable, site: SiteId): number | undefined {
  try {
    const { slices } = Volume.parse(JSON.parse(row.volume))
    const { guid, version, kid, profile } = row
    const plaintextBytes = Number(row.plaintext_bytes)
    const whole =
      plaintextBytes === Buffer.from(row.header, 'latin1').length + slices * Number(row.slice_bytes) &&
      Number(row.container_bytes) === containerLength({ guid, version, kid, plaintextBytes, site, profile })
    return whole ? slices : undefined
  } catch {
    return undefined
  }
}

/** Rows of versions that are not there; one name stands for tables of which only the two columns count. */
async function checkOrphans(db: SiteQueries, to: Collector): Promise<void> {
  for (const table of ['slices', 'manifests', ...TABLE_NAMES] as const) {
    const { rows } = await db
      .selectFrom(`${table as 'slices'} as row`)
      .leftJoin('versions', (join) =>
        join.onRef('versions.guid', '=', 'row.guid').onRef('versions.version', '=', 'row.version'),
      )
      .select((eb) => eb.fn.countAll().as('rows'))
      .where('versions.guid', 'is', null)
      .executeTakeFirstOrThrow()
    if (Number(rows) > 0) to.find('orphan-rows', `${Number(rows)} of ${table}`)
  }
  for (const table of ['versions', 'replicas', 'changes'] as const) {
    const { rows } = await db
      .selectFrom(`${table as 'replicas'} as row`)
      .leftJoin('volumes', 'volumes.guid', 'row.guid')
      .select((eb) => eb.fn.countAll().as('rows'))
      .where('volumes.guid', 'is', null)
      .executeTakeFirstOrThrow()
    if (Number(rows) > 0) to.find('orphan-rows', `${Number(rows)} of ${table}`)
  }
}
