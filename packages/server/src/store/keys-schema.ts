import type { Generated, Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'

/** The key server's store. Times are ISO text, names text, sealed shares Buffers. */
export interface KeysSchema {
  /**
   * Which site a GUID belongs to: decided by the first founding statement, for ever. `deletions` counts how often shares of it
   * went, so that each storing and each deleting has a name of its own.
   */
  guid_owner: { guid: string; site: string; deletions: Generated<number> }
  share: {
    guid: string
    kid: string
    epoch: number
    version: number
    manifest: string
    /** nonce, tag and AES-256-GCM ciphertext of the ShareEnvelope */
    sealed: Buffer
    /** when a reader other than the site's service first got it */
    released: string | null
    stored: string
    /** what the site wrote down for itself, sealed under a key of its own; opaque here */
    note: string | null
  }
  /** The state a chain of statements leads to, so that a release needs no signature check. */
  acl_chain: { site: string; scope: string; object: string; seq: number; state: string }
  acl_statement: { site: string; scope: string; object: string; seq: number; digest: string; jws: string }
  /** Says that this store was put back from a backup, until every witness has been asked; `since` is when. */
  restored: { since: string }
  /** Witnesses that the operator goes on without, once: `site` or the id of a key server. */
  waiver: { witness: string; reason: string; created: string }
}

export const KEYS_MIGRATIONS: Record<string, Migration> = {
  '001-shares-and-statements': {
    async up(db: Kysely<never>) {
      await db.schema
        .createTable('guid_owner')
        .addColumn('guid', 'text', (c) => c.primaryKey())
        .addColumn('site', 'text', (c) => c.notNull())
        .execute()
      await db.schema
        .createTable('share')
        .addColumn('guid', 'text', (c) => c.notNull().references('guid_owner.guid'))
        .addColumn('kid', 'text', (c) => c.notNull())
        .addColumn('epoch', 'integer', (c) => c.notNull())
        .addColumn('version', 'integer', (c) => c.notNull())
        .addColumn('manifest', 'text', (c) => c.notNull())
        .addColumn('sealed', 'blob', (c) => c.notNull())
        .addColumn('released', 'text')
        .addColumn('stored', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('share_key', ['guid', 'kid', 'epoch'])
        .execute()
      await db.schema
        .createTable('acl_chain')
        .addColumn('site', 'text', (c) => c.notNull())
        .addColumn('scope', 'text', (c) => c.notNull())
        .addColumn('object', 'text', (c) => c.notNull())
        .addColumn('seq', 'integer', (c) => c.notNull())
        .addColumn('state', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('acl_chain_key', ['site', 'scope', 'object'])
        .execute()
      await db.schema
        .createTable('acl_statement')
        .addColumn('site', 'text', (c) => c.notNull())
        .addColumn('scope', 'text', (c) => c.notNull())
        .addColumn('object', 'text', (c) => c.notNull())
        .addColumn('seq', 'integer', (c) => c.notNull())
        .addColumn('digest', 'text', (c) => c.notNull())
        .addColumn('jws', 'text', (c) => c.notNull())
        .addPrimaryKeyConstraint('acl_statement_key', ['site', 'scope', 'object', 'seq'])
        .execute()
    },
  },
  '002-witnesses': {
    async up(db: Kysely<never>) {
      await db.schema.alterTable('share').addColumn('note', 'text').execute()
      await db.schema
        .createTable('restored')
        .addColumn('since', 'text', (c) => c.primaryKey())
        .execute()
      await db.schema
        .createTable('waiver')
        .addColumn('witness', 'text', (c) => c.primaryKey())
        .addColumn('reason', 'text', (c) => c.notNull())
        .addColumn('created', 'text', (c) => c.notNull())
        .execute()
    },
  },
  '003-deletions': {
    async up(db: Kysely<never>) {
      await db.schema
        .alterTable('guid_owner')
        .addColumn('deletions', 'integer', (c) => c.notNull().defaultTo(0))
        .execute()
    },
  },
}
