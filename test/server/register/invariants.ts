import { readFileSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Test } from 'tap'
import { fetchFileKey } from '../../../packages/core/src/access/file-key.ts'
import { list, metadataOf, volumeRow } from '../../../packages/core/src/access/metadata.ts'
import type { Session } from '../../../packages/core/src/access/session.ts'
import { show } from '../../../packages/core/src/access/acl.ts'
import { Kid, type Guid } from '../../../packages/core/src/names.ts'
import { openAudit } from '../../../packages/server/src/audit/audit.ts'
import { isPostgresUrl } from '../../../packages/server/src/store/postgres.ts'
import { psql, psqlRows } from '../../fixtures/postgres.ts'
import type { SiteGrid } from '../site-grid.ts'

/** What one of the grid's databases holds, read past its server; `store` is a field of a configuration. */
function rowsOf(dir: string, store: string, sql: string): Record<string, unknown>[] {
  if (isPostgresUrl(store)) return psqlRows(store, sql)
  const db = new DatabaseSync(join(dir, store), { readOnly: true })
  try {
    return db.prepare(sql).all()
  } finally {
    db.close()
  }
}

const storeIn = (config: string): string =>
  (JSON.parse(readFileSync(config, 'utf8')) as { store: string }).store

export const siteRows = (grid: SiteGrid, sql: string) => {
  const { dir, config } = grid.provisioned.site
  return rowsOf(dir, storeIn(config), sql)
}
const keyRows = (grid: SiteGrid, sql: string) =>
  grid.provisioned.keyServers.map(({ dir, config }) => rowsOf(dir, storeIn(config), sql))

/** Changes a row of the site's database past the site, as somebody who broke into it would. */
export function changeSite(grid: SiteGrid, sql: string): void {
  const { dir, config } = grid.provisioned.site
  const store = storeIn(config)
  if (isPostgresUrl(store)) return void psql(store, sql)
  const db = new DatabaseSync(join(dir, store))
  db.exec(sql)
  db.close()
}

/** The invariants of FLOW 1 after recovery: I1 to I6, for a grid on which `volumes` were to be registered. */
export async function checkInvariants(
  t: Test,
  grid: SiteGrid,
  admin: Session,
  volumes: number,
): Promise<void> {
  const rows = []
  for await (const row of list(admin)) rows.push(row)
  t.equal(rows.length, volumes, 'I4: every journalled registration is ACTIVE')
  t.strictSame(siteRows(grid, `select state from journal where state <> 'ACTIVE'`), [])
  const keys = siteRows(grid, 'select count(distinct volume_key) as n from volumes')
  t.equal(keys[0]!.n, volumes, 'I3: one GUID per volume')
  for (const { guid, surl, lfn, version } of rows) {
    const [row] = siteRows(grid, `select kid from versions where guid = '${guid}' and version = ${version}`)
    const { fileKey, manifest } = await fetchFileKey(admin, guid, Kid.parse(row!.kid), {})
    t.equal(manifest.guid, guid, 'I1: the manifest verifies and the servers hold their shares')
    t.match(await volumeRow(admin, { surl }), { guid }, 'I1: the SURL resolves')
    t.match(await volumeRow(admin, { lfn }), { guid })
    t.equal(Object.keys((await metadataOf(admin, { guid })).tables).length, 5, 'I1: five tables')
    t.equal((await show(admin, guid)).length, 7, 'I1: seven access lists, each verified')
    await checkKeyNowhere(t, grid, fileKey.export())
  }
  const used = siteRows(grid, 'select kid from versions').map((row) => row.kid)
  for (const shares of keyRows(grid, 'select kid from share')) {
    t.strictSame(shares.map((row) => row.kid).toSorted(), used.toSorted(), 'I5: no share without a volume')
  }
  t.strictSame(siteRows(grid, 'select kid from attempts'), [], 'I5: no attempt is left')
  t.strictSame(siteRows(grid, 'select event_id from outbox'), [], 'the outbox is empty')
}

/** I6: the file key is in no file of site or key servers, in no spelling. */
async function checkKeyNowhere(t: Test, grid: SiteGrid, key: Buffer): Promise<void> {
  const spellings = [
    key,
    ...(['hex', 'base64', 'base64url'] as const).map((form) => Buffer.from(key.toString(form))),
  ]
  for (const entry of await readdir(grid.provisioned.dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const bytes = await readFile(join(entry.parentPath, entry.name))
    if (spellings.some((spelling) => bytes.includes(spelling))) t.fail(`I6: the file key is in ${entry.name}`)
  }
  t.pass('I6: the file key is in no file')
}

/** I7: the audit chain verifies and holds each registration once. The site must be stopped. */
export async function checkAudit(t: Test, grid: SiteGrid, guids: readonly Guid[]): Promise<void> {
  const file = join(grid.provisioned.site.dir, 'audit.jsonl')
  // Opening verifies the whole chain.
  await (await openAudit(file)).close()
  const records = (await readFile(file, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { event: string; guid?: string })
  const registered = records
    .filter((record) => record.event === 'volume-registered')
    .map((record) => record.guid)
  t.strictSame(registered.toSorted(), guids.toSorted(), 'I7: one record per registration')
}
