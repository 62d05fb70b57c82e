import type { KeyObject } from 'node:crypto'
import type { Kysely } from 'kysely'
import type { KeysSchema } from '../store/keys-schema.ts'
import { openShare, sealShare, type ShareName } from './share-box.ts'

/** A transaction or the store itself. */
export type Db = Kysely<KeysSchema>

/** What is stored of one share; the share itself is opened only to be released. */
export interface StoredShare extends ShareName {
  readonly version: number
  readonly manifest: string
  readonly sealed: Buffer
  readonly released: string | null
}

/** The site a GUID belongs to here; undefined when no share of it was ever stored. */
export async function ownerOf(db: Db, guid: string): Promise<string | undefined> {
  const row = await db.selectFrom('guid_owner').select('site').where('guid', '=', guid).executeTakeFirst()
  return row?.site
}

export async function claimGuid(db: Db, guid: string, site: string): Promise<void> {
  await db.insertInto('guid_owner').values({ guid, site }).execute()
}

/** The shares of a volume, newest version and epoch first; `kid` narrows them to one key. */
export async function sharesOf(db: Db, guid: string, kid?: string): Promise<StoredShare[]> {
  let query = db.selectFrom('share').selectAll().where('guid', '=', guid)
  if (kid !== undefined) query = query.where('kid', '=', kid)
  return query.orderBy('version', 'desc').orderBy('epoch', 'desc').orderBy('kid').execute()
}

export async function insertShare(
  db: Db,
  key: KeyObject,
  o: ShareName & { version: number; manifest: string; share: Buffer; note: string | null; now: Date },
): Promise<void> {
  const { guid, kid, epoch, version, manifest, note } = o
  const sealed = sealShare(key, o, o.share)
  const stored = o.now.toISOString()
  await db
    .insertInto('share')
    .values({ guid, kid, epoch, version, manifest, sealed, released: null, stored, note })
    .execute()
}

/** Remembers that a reader has these shares now; from then on the site's service cannot delete them. */
export async function markReleased(db: Db, shares: readonly StoredShare[], now: Date): Promise<void> {
  const fresh = shares.filter((share) => share.released === null)
  if (fresh.length === 0) return
  await db
    .updateTable('share')
    .set({ released: now.toISOString() })
    .where('guid', '=', fresh[0]!.guid)
    .where('kid', 'in', [...new Set(fresh.map((share) => share.kid))])
    .where('released', 'is', null)
    .execute()
}

/** How often shares of a volume were deleted here. */
export async function deletionsOf(db: Db, guid: string): Promise<number> {
  const query = db.selectFrom('guid_owner').select('deletions').where('guid', '=', guid)
  return (await query.executeTakeFirst())?.deletions ?? 0
}

/** @returns how many shares went */
export async function removeShares(db: Db, guid: string, kid: string): Promise<number> {
  const { numDeletedRows } = await db
    .deleteFrom('share')
    .where('guid', '=', guid)
    .where('kid', '=', kid)
    .executeTakeFirst()
  await db
    .updateTable('guid_owner')
    .set((row) => ({ deletions: row('deletions', '+', 1) }))
    .where('guid', '=', guid)
    .execute()
  return Number(numDeletedRows)
}

/** @throws MDM_INTEGRITY when the row does not open under the store key */
export function revealShare(key: KeyObject, stored: StoredShare): Buffer {
  return openShare(key, stored, stored.sealed)
}
