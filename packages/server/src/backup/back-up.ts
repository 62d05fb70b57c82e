import { createHash, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { link, open, readdir, readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Transaction } from 'kysely'
import { MdmError } from '@mdm/core/errors'
import { KeysConfig, readConfig } from '../config.ts'
import { SiteConfig } from '../site-config.ts'
import { frozen, pagesOf, schemaOf, type AnySchema } from '../store/dump.ts'
import { openStore, storeLocation } from '../store/open-store.ts'
import { isPostgresUrl } from '../store/postgres.ts'
import { encryptTo } from './age.ts'
import { pack, type Entry, type Value } from './archive.ts'
import { keysLayout, siteLayout, type ServerLayout } from './layout.ts'
import { KEYS_TABLES, SITE_TABLES, type Tables } from './tables.ts'

/** Bytes of a file in one line. */
const PIECE = 256 * 1024

export interface BackedUp {
  readonly file: string
  readonly kind: 'site' | 'keys'
  /** rows of the store */
  readonly rows: number
  /** how many records of the audit log, and the SHA-256 of the last: to be compared after a restore */
  readonly audit: { readonly records: number; readonly head: string | null }
}

/**
 * Backs a server up, also while it runs: the store as it is at one moment, then the audit log, which so has at least all that the
 * store tells of. Nothing but ciphertext touches the disk.
 *
 * @param recipients age public keys
 * @param file       where the backup goes; must not exist
 * @throws MDM_USAGE, MDM_CONFIG, MDM_STORE, MDM_FILE, MDM_CONFLICT when the file exists
 */
export async function backUp(
  kind: 'site' | 'keys',
  configFile: string,
  o: { recipients: readonly string[]; file: string; now?: Date },
): Promise<BackedUp> {
  const { layout, store, tables } = await serverOf(kind, configFile)
  if (!isPostgresUrl(store) && !existsSync(store))
    throw new MdmError('MDM_CONFIG', 'the store that the configuration names is not there')
  const db = await openStore<AnySchema>(store, undefined, {})
  const told = { rows: 0, audit: { records: 0, head: null as string | null } }
  try {
    await frozen(db, store, async (trx) => {
      const entries = entriesOf(trx, { kind, layout, tables, created: o.now ?? new Date(), told })
      await writeWhole(o.file, () => encryptTo(o.recipients, pack(entries)))
    })
  } finally {
    await db.destroy()
  }
  return { file: o.file, kind, ...told }
}

async function serverOf(kind: 'site' | 'keys', file: string) {
  if (kind === 'site') {
    const { config, path } = await readConfig(file, SiteConfig)
    return { layout: siteLayout(config, path), store: storeLocation(config.store, path), tables: SITE_TABLES }
  }
  const { config, path } = await readConfig(file, KeysConfig)
  return { layout: keysLayout(config, path), store: storeLocation(config.store, path), tables: KEYS_TABLES }
}

interface Source {
  readonly kind: 'site' | 'keys'
  readonly layout: ServerLayout
  readonly tables: Tables
  readonly created: Date
  readonly told: { rows: number; audit: { records: number; head: string | null } }
}

async function* entriesOf(trx: Transaction<AnySchema>, o: Source): AsyncGenerator<Entry> {
  const { layout, told } = o
  yield { is: 'backup', v: 1, kind: o.kind, created: o.created.toISOString(), schema: await schemaOf(trx) }
  for (const [table, key] of Object.entries(o.tables)) {
    for await (const { columns, rows } of pagesOf(trx, table, key)) {
      told.rows += rows.length
      yield { is: 'rows', table, columns: [...columns], rows: rows.map((row) => row.map(valueOf)) }
    }
  }
  const config = `${JSON.stringify(layout.config.value, null, 2)}\n`
  yield piece(layout.config.name, Buffer.from(config), false)
  for (const { name, path, secret, optional } of layout.files) {
    const content = await readFile(path).catch((cause: unknown) => {
      if (optional === true && (cause as { code?: unknown }).code === 'ENOENT') return undefined
      throw new MdmError('MDM_CONFIG', 'a file the configuration names cannot be read', { cause })
    })
    if (content !== undefined) yield piece(name, content, secret)
  }
  for (const name of (await readdir(layout.rosters)).filter((file) => file.endsWith('.jws')).toSorted())
    yield piece(`rosters/${name}`, await readFile(join(layout.rosters, name)), false)
  yield* auditOf(layout.audit, told.audit)
}

/** The log up to its last whole line; it grows meanwhile. */
async function* auditOf(file: string, told: { records: number; head: string | null }): AsyncGenerator<Entry> {
  const handle = await open(file).catch((cause: unknown) => {
    if ((cause as { code?: unknown }).code === 'ENOENT') return undefined
    throw new MdmError('MDM_AUDIT', 'the audit log cannot be read', { cause })
  })
  if (handle === undefined) return
  try {
    let rest: Buffer = Buffer.alloc(0)
    for (let position = 0, { size } = await handle.stat(); position < size;) {
      const { bytesRead, buffer } = await handle.read(
        Buffer.alloc(PIECE),
        0,
        Math.min(PIECE, size - position),
        position,
      )
      if (bytesRead === 0) break
      position += bytesRead
      const read = Buffer.concat([rest, buffer.subarray(0, bytesRead)])
      const whole = read.subarray(0, read.lastIndexOf(10) + 1)
      rest = Buffer.from(read.subarray(whole.length))
      const lines = whole.toString('utf8').split('\n').slice(0, -1)
      told.records += lines.length
      if (lines.length > 0) told.head = createHash('sha256').update(lines.at(-1)!).digest('hex')
      if (whole.length > 0) yield piece('audit.jsonl', whole, false)
    }
  } finally {
    await handle.close()
  }
}

function piece(name: string, content: Buffer, secret: boolean): Entry {
  return { is: 'file', name, secret, data: content.toString('base64') }
}

function valueOf(value: unknown): Value {
  if (value instanceof Uint8Array) return { b: Buffer.from(value).toString('base64') }
  if (value === null || typeof value === 'string' || typeof value === 'number') return value
  throw new MdmError('MDM_INTERNAL', 'a value of the store is of no kind that a backup holds')
}

/** Under a name of its own until it is whole and on the disk; what is there already is never written over. */
async function writeWhole(file: string, encrypted: () => Promise<AsyncIterable<Uint8Array>>): Promise<void> {
  if (existsSync(file)) throw taken()
  const part = `${file}.${randomBytes(6).toString('hex')}.part`
  try {
    const handle = await open(part, 'wx', 0o600)
    try {
      for await (const chunk of await encrypted()) await handle.writeFile(chunk)
      await handle.sync()
    } finally {
      await handle.close()
    }
    // Unlike a rename, a link does not replace what came there meanwhile.
    await link(part, file)
    const folder = await open(dirname(file), 'r')
    await folder.sync().finally(() => folder.close())
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (error instanceof MdmError || code === undefined) throw error
    if (code === 'EEXIST') throw taken(error)
    throw new MdmError('MDM_FILE', 'the backup cannot be written there', { cause: error })
  } finally {
    await rm(part, { force: true })
  }
}

function taken(cause?: unknown): MdmError {
  return new MdmError('MDM_CONFLICT', 'there is a file of this name already', { cause })
}
