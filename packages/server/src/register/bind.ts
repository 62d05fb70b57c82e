import { gatherFileKey } from '@mdm/core/grid/key-servers'
import { MdmError } from '@mdm/core/errors'
import type { Preset } from '@mdm/core/acl/presets'
import { samePrincipal, type Principal } from '@mdm/core/acl/principal'
import type { Chain } from '@mdm/core/acl/statement'
import type { Guid, Sha256, Version } from '@mdm/core/names'
import type { FoundKeysTable } from '../store/registration-schema.ts'
import type { SiteStore } from '../store/site-store.ts'
import { inTransaction } from '../store/transaction.ts'
import type { RegisterOptions } from './register-series.ts'

/** What key servers hold of a volume that this store lost. */
export interface Recalled {
  readonly guid: Guid
  /** the newest version that was ever made */
  readonly latest: Version
  /** the key of exactly this content, if there is one */
  readonly held: FoundKeysTable | undefined
}

/**
 * @param of `guid` is the volume's where this store has it in an older version
 * @returns undefined for a volume of which nothing was found
 */
export async function recalled(
  db: SiteStore,
  of: { volumeKey: Sha256; contentDigest: Sha256; guid?: Guid | undefined },
): Promise<Recalled | undefined> {
  const guid = of.guid ?? (await lostGuid(db, of))
  if (guid === undefined) return undefined
  const mine = mostHeld(await db.selectFrom('found_keys').selectAll().where('guid', '=', guid).execute())
  if (mine.length === 0) return undefined
  return {
    guid,
    latest: Math.max(...mine.map(({ version }) => version)),
    held: mine
      .filter((row) => row.content_digest === of.contentDigest)
      .toSorted((a, b) => b.servers - a.servers || b.version - a.version)[0],
  }
}

/** The GUID of a volume that this store does not have: by its key, else by its content, since its series may have called it otherwise. */
async function lostGuid(
  db: SiteStore,
  { volumeKey, contentDigest }: { volumeKey: Sha256; contentDigest: Sha256 },
): Promise<Guid | undefined> {
  const lost = db
    .selectFrom('found_keys')
    .selectAll()
    .where(({ not, exists, selectFrom }) =>
      not(exists(selectFrom('volumes').select('guid').whereRef('volumes.guid', '=', 'found_keys.guid'))),
    )
  const named = mostHeld(await lost.where('volume_key', '=', volumeKey).execute())
  const same = named.find((row) => row.content_digest === contentDigest) ?? named[0]
  if (same !== undefined) return same.guid
  return mostHeld(await lost.where('content_digest', '=', contentDigest).execute())[0]?.guid
}

/** Most held first: what became a volume lies on every server. Then the last one made, which is the one that a crash did not end. */
function mostHeld(rows: readonly FoundKeysTable[]): FoundKeysTable[] {
  return rows.toSorted((a, b) => b.servers - a.servers || (a.created < b.created ? 1 : -1))
}

/** True when the key servers still give this key: its manifest, m shares and the commitment agree. */
export async function isWhole(
  o: RegisterOptions,
  held: FoundKeysTable,
  signal: AbortSignal,
): Promise<boolean> {
  const { signers, body } = o.roster()
  try {
    await gatherFileKey({
      ...{ servers: o.keyServers(), site: o.site, guid: held.guid, kid: held.kid },
      ...{ threshold: body.m, signers, manifest: held.manifest, signal },
    })
    return true
  } catch (error) {
    if (error instanceof MdmError && !signal.aborted) return false
    throw error
  }
}

/**
 * Who gets what on a volume that is bound again. Its lists of file and metadata are lost with what was granted and revoked on
 * them, so the policy counts only for whom the key list of today still names: a reader who was revoked since must not come in by it.
 */
export function policyOf(
  policy: readonly { to: Principal; preset: Preset }[],
  keyList: Chain,
): { to: Principal; preset: Preset }[] {
  return policy.filter(({ to }) => keyList.entries.some((entry) => samePrincipal(entry.to, to)))
}

/** What lies beside the key that was taken was left by crashes: recovery deletes it, unless a reader had it. */
export async function dropOthers(
  db: SiteStore,
  key: Sha256,
  kept: Pick<FoundKeysTable, 'guid' | 'version'> & { kid?: string },
  now: Date,
): Promise<void> {
  await inTransaction(db, async (trx) => {
    const rows = await trx.selectFrom('found_keys').selectAll().where('volume_key', '=', key).execute()
    for (const { guid, kid, version } of rows) {
      if (kid === kept.kid || (guid === kept.guid && version !== kept.version)) continue
      await trx
        .insertInto('attempts')
        .values({ kid, guid, volume_key: key, created: now.toISOString() })
        .onConflict((conflict) => conflict.column('kid').doNothing())
        .execute()
      await trx.deleteFrom('found_keys').where('kid', '=', kid).execute()
    }
  })
}
