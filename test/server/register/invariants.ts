import { readFileSync } from 'node:fs'
import { open, readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { isDeepStrictEqual } from 'node:util'
import type { Test } from 'tap'
import { fetchFileKey } from '../../../packages/core/src/access/file-key.ts'
import { list, metadataOf, volumeRow } from '../../../packages/core/src/access/metadata.ts'
import type { Session } from '../../../packages/core/src/access/session.ts'
import { show } from '../../../packages/core/src/access/acl.ts'
import { Kid, type Guid } from '../../../packages/core/src/names.ts'
import { readAuditChain } from '../../../packages/server/src/audit/chain.ts'
import { isPostgresUrl } from '../../../packages/server/src/store/postgres.ts'
import { psql, psqlRows } from '../../fixtures/postgres.ts'
import type { SiteGrid } from '../site-grid.ts'

type Provisioned = Pick<SiteGrid, 'provisioned'>

/** What a database holds, read past its server. */
export function rowsOf(config: string, sql: string): Record<string, unknown>[] {
  const { store } = JSON.parse(readFileSync(config, 'utf8')) as { store: string }
  if (isPostgresUrl(store)) return psqlRows(store, sql)
  const db = new DatabaseSync(join(dirname(config), store), { readOnly: true, timeout: 5_000 })
  try {
    return db.prepare(sql).all()
  } finally {
    db.close()
  }
}

export const siteRows = (grid: Provisioned, sql: string) => rowsOf(grid.provisioned.site.config, sql)
const keyRows = (grid: Provisioned, sql: string) =>
  grid.provisioned.keyServers.map(({ config }) => rowsOf(config, sql))

/** Changes a row of the site's database past the site, as somebody who broke into it would. */
export const changeSite = (grid: Provisioned, sql: string) => changeStore(grid.provisioned.site.config, sql)

/** Changes a row of a database past its server. */
export function changeStore(config: string, sql: string): void {
  const { store } = JSON.parse(readFileSync(config, 'utf8')) as { store: string }
  if (isPostgresUrl(store)) return void psql(store, sql)
  const db = new DatabaseSync(join(dirname(config), store), { enableForeignKeyConstraints: false })
  db.exec(sql)
  db.close()
}

/** The invariants of FLOW 1 after recovery: I1 to I6, for a grid on which `volumes` were to be registered. */
export async function checkInvariants(
  t: Test,
  grid: Provisioned,
  admin: Session,
  volumes: number,
): Promise<void> {
  t.strictSame(await violations(grid, admin, volumes), [], 'I1 to I6 hold')
}

/**
 * What does not hold of the invariants I1 to I6, each in words that name it.
 *
 * @param known GUIDs whose volumes were looked at before and need no second look; those that hold are added
 */
export async function violations(
  grid: Provisioned,
  admin: Session,
  volumes: number,
  known: Set<Guid> = new Set(),
): Promise<string[]> {
  const found: string[] = []
  const same = (a: unknown, b: unknown, what: string) => {
    if (!isDeepStrictEqual(a, b)) found.push(`${what}: ${JSON.stringify(a)} is not ${JSON.stringify(b)}`)
  }
  const rows = []
  for await (const row of list(admin)) rows.push(row)
  same(rows.length, volumes, 'I4: every journalled registration is ACTIVE')
  same(siteRows(grid, `select state from journal where state <> 'ACTIVE'`), [], 'I4: the journal')
  const keys = siteRows(grid, 'select count(distinct volume_key) as n from volumes')
  same(Number(keys[0]!.n), volumes, 'I3: one GUID per volume')
  for (const { guid, surl, lfn, version } of rows.filter((row) => !known.has(row.guid))) {
    const [row] = siteRows(grid, `select kid from versions where guid = '${guid}' and version = ${version}`)
    const { fileKey, manifest } = await fetchFileKey(admin, guid, Kid.parse(row!.kid), {})
    same(manifest.guid, guid, 'I1: the manifest verifies and the servers hold their shares')
    same((await volumeRow(admin, { surl })).guid, guid, 'I1: the SURL resolves')
    same((await volumeRow(admin, { lfn })).guid, guid, 'I1: the LFN resolves')
    same(Object.keys((await metadataOf(admin, { guid })).tables).length, 5, 'I1: five tables')
    same((await show(admin, guid)).length, 7, 'I1: seven access lists, each verified')
    found.push(...(await keyInFiles(grid, fileKey.export())))
    known.add(guid)
  }
  const used = siteRows(grid, 'select kid from versions union select kid from pseudonym_key')
  for (const shares of keyRows(grid, 'select distinct kid from share')) {
    same(kidsOf(shares), kidsOf(used), 'I5: no share without a volume')
  }
  for (const table of ['versions', 'replicas', 'patient', 'image', 'medical', 'dicom', 'protocol']) {
    const sql = `select count(*) as n from ${table} where guid not in (select guid from volumes)`
    same(Number(siteRows(grid, sql)[0]!.n), 0, `I5: no row of ${table} without a volume`)
  }
  same(siteRows(grid, 'select kid from attempts'), [], 'I5: no attempt is left')
  same(siteRows(grid, 'select event_id from outbox'), [], 'the outbox is empty')
  return found
}

const kidsOf = (rows: readonly Record<string, unknown>[]) => rows.map(({ kid }) => String(kid)).toSorted()

/** I6: the file key is in no file of site or key servers, in no spelling. */
async function keyInFiles(grid: Provisioned, key: Buffer): Promise<string[]> {
  const spellings = [
    key,
    ...(['hex', 'base64', 'base64url'] as const).map((form) => Buffer.from(key.toString(form))),
  ]
  const found: string[] = []
  for (const entry of await readdir(grid.provisioned.dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    // A server that runs removes files of its own.
    const bytes = await readFile(join(entry.parentPath, entry.name)).catch(() => Buffer.alloc(0))
    if (spellings.some((spelling) => bytes.includes(spelling)))
      found.push(`I6: the file key is in ${entry.name}`)
  }
  return found
}

/** I7: the audit chain verifies and holds each registration once. */
export async function checkAudit(t: Test, grid: Provisioned, guids: readonly Guid[]): Promise<void> {
  t.strictSame(await auditViolations(grid, guids), [], 'I7: one record per registration')
}

export async function auditViolations(grid: Provisioned, guids: readonly Guid[]): Promise<string[]> {
  const found: string[] = []
  for (const { dir } of [grid.provisioned.site, ...grid.provisioned.keyServers]) {
    const fault = await recordsFault(dir)
    if (fault !== undefined) found.push(fault)
  }
  const records = (await auditOf(grid.provisioned.site.dir)).filter(
    (record) => record.event === 'volume-registered',
  )
  const registered = records.map((record) => record.guid)
  if (!isDeepStrictEqual(registered.toSorted(), guids.toSorted())) {
    const others = records.filter(
      ({ guid }, i) => !guids.includes(guid as Guid) || registered.indexOf(guid) !== i,
    )
    const named = others.map(({ guid, version }) => `${guid}@${version}`).join(' ')
    found.push(`I7: ${records.length} records of registrations for ${guids.length} volumes: ${named}`)
  }
  return found
}

/** What is wrong with the chain of an audit log. */
export async function recordsFault(dir: string): Promise<string | undefined> {
  const handle = await open(join(dir, 'audit.jsonl'), 'r')
  const fault = await readAuditChain(handle, 1).then(
    () => undefined,
    (error: Error) => `I7: ${error.message}`,
  )
  await handle.close()
  return fault
}

interface ReadRecord {
  event: string
  guid?: string
  version?: number
  kid?: string
}

/** The records of an audit log; a line that is still being written is left out. */
export async function auditOf(dir: string): Promise<ReadRecord[]> {
  const text = await readFile(join(dir, 'audit.jsonl'), 'utf8')
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as ReadRecord)
}
