import { createReadStream } from 'node:fs'
import { appendFile, chmod, mkdir, open, readdir, readFile, rename, rm, rmdir } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import type { Kysely, Transaction } from 'kysely'
import { MdmError } from '@mdm/core/errors'
import { insertPage, type AnySchema } from '../store/dump.ts'
import { KEYS_MIGRATIONS } from '../store/keys-schema.ts'
import { markKeys, markSite } from '../store/mark-restored.ts'
import { openStore } from '../store/open-store.ts'
import { isPostgresUrl } from '../store/postgres.ts'
import { SITE_MIGRATIONS } from '../store/site-migrations.ts'
import { migrate } from '../store/migrate.ts'
import { decryptWith } from './age.ts'
import { unpack, type Entry, type Head, type Value } from './archive.ts'
import { KEYS_TABLES, SITE_TABLES } from './tables.ts'

export interface Restored {
  readonly kind: 'site' | 'keys'
  readonly dir: string
  /** path of the configuration */
  readonly config: string
  /** when the backup was made */
  readonly created: string
}

const SIDES = {
  site: { tables: SITE_TABLES, migrations: SITE_MIGRATIONS, config: 'site.json', mark: markSite },
  keys: { tables: KEYS_TABLES, migrations: KEYS_MIGRATIONS, config: 'keys.json', mark: markKeys },
} as const

/**
 * Puts a server back into an empty folder. The whole backup is verified first; the folder has its name only when everything is in
 * it and on the disk. The store is marked: a key server serves nothing before all its witnesses were asked, a site registers
 * nothing before its key servers said what was registered since.
 *
 * @param o `store` is a PostgreSQL URL of an empty database, for a server whose store is there
 * @throws MDM_CONFLICT when the folder or the database holds something; MDM_INTEGRITY when the backup does not verify or is of
 *         another kind of server; MDM_CONFIG when a newer MDM wrote it; MDM_USAGE for an identity file that is none
 */
export async function restore(
  kind: 'site' | 'keys',
  o: { from: string; identity: string; dir: string; store?: string | undefined; now?: Date },
): Promise<Restored> {
  const dir = resolve(o.dir)
  const identity = await readFile(o.identity, 'utf8').catch((cause: unknown) => {
    throw new MdmError('MDM_FILE', 'the identity file cannot be read', { cause })
  })
  const entries = async () => unpack(await decryptWith(identity, createReadStream(o.from)))
  await requireEmpty(dir)
  const head = await verify(kind, await entries())
  const part = join(dirname(dir), `.${basename(dir)}.restoring`)
  await rm(part, { recursive: true, force: true })
  await mkdir(part, { recursive: true, mode: 0o700 })
  try {
    await write(kind, part, { head, entries: await entries(), store: o.store, now: o.now ?? new Date() })
    await rmdir(dir).catch(() => undefined)
    await rename(part, dir)
    const folder = await open(dirname(dir), 'r')
    await folder.sync().finally(() => folder.close())
  } catch (error) {
    await rm(part, { recursive: true, force: true })
    throw error
  }
  return { kind, dir, config: join(dir, SIDES[kind].config), created: head.created }
}

async function requireEmpty(dir: string): Promise<void> {
  const held = await readdir(dir).catch((error: unknown) => {
    if ((error as { code?: unknown }).code === 'ENOENT') return []
    throw new MdmError('MDM_FILE', 'the folder cannot be used', { cause: error })
  })
  if (held.length > 0) throw new MdmError('MDM_CONFLICT', 'the folder is not empty: nothing is overwritten')
}

/** Reads all of it, writing nothing. */
async function verify(kind: 'site' | 'keys', entries: AsyncGenerator<Entry>): Promise<Head> {
  let head: Head | undefined
  const { tables, migrations } = SIDES[kind]
  for await (const entry of entries) {
    if (entry.is === 'backup') {
      if (entry.kind !== kind)
        throw new MdmError(
          'MDM_INTEGRITY',
          `this is the backup of a ${entry.kind === 'keys' ? 'key server' : 'site'}`,
        )
      if (entry.schema.some((name) => !Object.hasOwn(migrations, name)))
        throw new MdmError('MDM_CONFIG', 'the backup was written by a newer MDM: restore it with that one')
      head = entry
    } else if (entry.is === 'rows' && !Object.hasOwn(tables, entry.table))
      throw new MdmError('MDM_INTEGRITY', 'the backup holds a table that a server of this kind does not have')
  }
  return head!
}

interface Writing {
  readonly head: Head
  readonly entries: AsyncGenerator<Entry>
  readonly store: string | undefined
  readonly now: Date
}

async function write(kind: 'site' | 'keys', dir: string, o: Writing): Promise<void> {
  const { migrations, config, mark } = SIDES[kind]
  const had = Object.fromEntries(o.head.schema.map((name) => [name, migrations[name]!]))
  const location = o.store ?? join(dir, `${kind}.sqlite`)
  if (o.store !== undefined && !isPostgresUrl(o.store))
    throw new MdmError('MDM_USAGE', '--store is the URL of a PostgreSQL database')
  const db = await openStore<AnySchema>(location, had, {})
  try {
    await db.transaction().execute(async (trx) => {
      await requireNoRows(trx, kind)
      for await (const entry of o.entries) {
        if (entry.is === 'rows')
          await insertPage(trx, { ...entry, rows: entry.rows.map((row) => row.map(stored)) })
        else if (entry.is === 'file')
          await writePiece(dir, entry, entry.name === config ? o.store : undefined)
      }
    })
    await migrate(db, migrations)
    await mark(db as unknown as Kysely<never>, o.now)
  } finally {
    await db.destroy()
  }
  if (kind === 'site') await mkdir(join(dir, 'spool'), { mode: 0o700 })
  await protect(dir)
}

async function requireNoRows(trx: Transaction<AnySchema>, kind: 'site' | 'keys'): Promise<void> {
  for (const table of Object.keys(SIDES[kind].tables)) {
    if ((await trx.selectFrom(table).selectAll().limit(1).executeTakeFirst()) !== undefined)
      throw new MdmError('MDM_CONFLICT', 'the database is not empty: nothing is overwritten')
  }
}

async function writePiece(
  dir: string,
  { name, data }: Extract<Entry, { is: 'file' }>,
  store: string | undefined,
): Promise<void> {
  const content = Buffer.from(data, 'base64')
  await mkdir(dirname(join(dir, name)), { recursive: true, mode: 0o700 })
  const own = name === 'site.json' || name === 'keys.json'
  await appendFile(join(dir, name), own ? configured(content, store, name) : content, { mode: 0o600 })
}

/** The configuration names the store that the rows were put into. */
function configured(content: Buffer, store: string | undefined, name: string): string {
  const value = JSON.parse(content.toString('utf8')) as object
  return `${JSON.stringify({ ...value, store: store ?? name.replace('.json', '.sqlite') }, null, 2)}\n`
}

/** Modes, and on the disk before the folder has its name. */
async function protect(dir: string): Promise<void> {
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const key = entry.name.endsWith('.key') && !entry.name.startsWith('tls')
    if (entry.isFile()) await chmod(path, key ? 0o400 : 0o600)
    const handle = await open(path, 'r')
    await handle.sync().finally(() => handle.close())
  }
}

function stored(value: Value): unknown {
  return typeof value === 'object' && value !== null ? Buffer.from(value.b, 'base64') : value
}
