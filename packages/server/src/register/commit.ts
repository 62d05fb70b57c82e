import { emptyChain, type Chain } from '@mdm/core/acl/statement'
import { containerLength } from '@mdm/core/crypto/container/profile'
import type { AclObject } from '@mdm/core/wire/common'
import {
  Lfn,
  newGuid,
  surlOf,
  type Guid,
  type Kid,
  type Sha256,
  type SiteId,
  type Version,
} from '@mdm/core/names'
import type { AuditCaller } from '../audit/audit.ts'
import type { AccessLists } from '../catalog/access-lists.ts'
import { putChange } from '../catalog/changes.ts'
import { sliceRowOf } from '../catalog/records.ts'
import type { SeriesRef } from '../dicom/source.ts'
import { TABLE_NAMES } from '../metadata/column-rights.ts'
import type { MetadataTable } from '../store/site-schema.ts'
import { nextValue, type SiteQueries, type SiteStore } from '../store/site-store.ts'
import { inTransaction } from '../store/transaction.ts'
import type { VolumePlan } from '../volume/plan.ts'
import { contentDigest } from './fingerprints.ts'
import type { Journal } from './journal.ts'
import { putOutbox } from './outbox.ts'

/** Rows of one INSERT: no database takes more than some thousand parameters. */
const SLICES_AT_ONCE = 50

/** A volume whose shares all key servers hold; nothing of it is visible yet. */
export interface Sealed {
  readonly key: Sha256
  readonly source: string
  readonly ref: SeriesRef
  readonly guid: Guid
  readonly version: Version
  readonly kid: Kid
  /** tables with the pseudonym in */
  readonly plan: VolumePlan
  readonly manifest: string
  /** the version before it in this store; undefined for a volume that is new to it */
  readonly before: Version | undefined
  /** statement 0 of every access list; none for a later version, which the lists of the GUID cover */
  readonly foundings: ReadonlyMap<AclObject, string>
  /** the key list as the key servers have it, where a volume is bound again to the GUID it had */
  readonly keyList?: Chain
  readonly caller: AuditCaller
}

export interface CommitOptions {
  readonly db: SiteStore
  readonly lists: AccessLists
  readonly journal: Journal
  readonly site: SiteId
  readonly srm: { readonly host: string; readonly port: number }
  readonly now: () => Date
}

/**
 * J5: catalog, the five tables, access lists, the audit event and PENDING -> ACTIVE in ONE transaction, which alone makes a GUID
 * visible.
 *
 * @returns the volume's LFN
 */
export async function commit(o: CommitOptions, sealed: Sealed): Promise<Lfn> {
  let published: (() => void)[] = []
  const lfn = await inTransaction(o.db, async (trx) => {
    published = []
    const lfn = await putVolume(trx, o, sealed)
    await putVersion(trx, o, sealed)
    await putTables(trx, sealed)
    for (const [object, jws] of sealed.foundings) {
      published.push(await o.lists.found(trx, jws, { scope: sealed.guid, object, now: o.now() }))
    }
    if (sealed.keyList !== undefined) {
      const none = emptyChain(o.site, sealed.guid, 'key')
      published.push(await o.lists.extend(trx, none, sealed.keyList, o.now()))
    }
    await trx.deleteFrom('found_keys').where('kid', '=', sealed.kid).execute()
    const { guid, version, kid, caller, source, before } = sealed
    const change = before === undefined ? 'registered' : 'new-version'
    await putChange(trx, { time: o.now().toISOString(), change, guid, version })
    await putOutbox(trx, {
      eventId: `registered:${guid}@${version}`,
      event: 'volume-registered',
      outcome: 'done',
      ...{ caller, site: o.site, guid, version, kid },
      facts: { source, lfn, slices: sealed.plan.slices.length },
    })
    await o.journal.forget(kid, trx)
    await o.journal.set(sealed.key, 'ACTIVE', undefined, trx)
    return lfn
  }).catch((error: unknown) => {
    // Cut off while it committed, it may be there all the same.
    o.lists.forget()
    throw error
  })
  for (const publish of published) publish()
  return lfn
}

/**
 * A new volume gets its LFN and SURL; a later version moves `latest`, which fails if another has done so, and is asked for at the
 * source that it was read from.
 */
async function putVolume(db: SiteQueries, o: CommitOptions, sealed: Sealed): Promise<Lfn> {
  const { guid, version, before, source, ref, key, plan } = sealed
  if (before !== undefined) {
    const { lfn } = await db
      .updateTable('volumes')
      .set({ latest: version, gone_since: null, source })
      .where('guid', '=', guid)
      .where('latest', '=', before)
      .returning('lfn')
      .executeTakeFirstOrThrow()
    await db.updateTable('replicas').set({ source }).where('guid', '=', guid).execute()
    return lfn
  }
  const { modality } = plan.volume
  const counter = await nextValue(db, `lfn/${source}/${modality}`)
  const lfn = Lfn.parse(`/${o.site}/${source}/${modality}/${String(counter).padStart(6, '0')}`)
  await db
    .insertInto('volumes')
    .values({
      guid,
      lfn,
      source,
      study: ref.study,
      series: ref.series,
      label: plan.label,
      volume_key: key,
      latest: version,
      gone_since: null,
    })
    .execute()
  await db
    .insertInto('replicas')
    .values({ guid, surl: surlOf(o.srm.host, o.srm.port, guid), site: o.site, source })
    .execute()
  return lfn
}

async function putVersion(db: SiteQueries, o: CommitOptions, sealed: Sealed): Promise<void> {
  const { guid, version, kid, plan, manifest } = sealed
  const { profile, plaintextBytes } = plan
  await db
    .insertInto('versions')
    .values({
      ...{ guid, version, kid, profile },
      volume: JSON.stringify(plan.volume),
      header: plan.header.toString('latin1'),
      slice_bytes: plan.sliceBytes,
      plaintext_bytes: plaintextBytes,
      container_bytes: containerLength({ guid, version, kid, plaintextBytes, site: o.site, profile }),
      content_digest: contentDigest(plan),
      plaintext_sha256: null,
      registered: o.now().toISOString(),
    })
    .execute()
  await db.insertInto('manifests').values({ guid, version, epoch: 1, jws: manifest }).execute()
  for (let i = 0; i < plan.slices.length; i += SLICES_AT_ONCE) {
    const rows = plan.slices
      .slice(i, i + SLICES_AT_ONCE)
      .map((slice) => sliceRowOf(slice, { guid, version, instanceGuid: newGuid() }))
    await db.insertInto('slices').values(rows).execute()
  }
}

async function putTables(db: SiteQueries, { guid, version, plan }: Sealed): Promise<void> {
  for (const table of TABLE_NAMES) {
    // One name stands for all five: the columns are those of metadata/columns.ts, and the database knows no others.
    const row = { guid, version, ...plan.tables[table] } as MetadataTable<'image'>
    await db
      .insertInto(table as 'image')
      .values(row)
      .execute()
  }
}
