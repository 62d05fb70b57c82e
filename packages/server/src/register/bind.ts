import { gatherFileKey } from '@mdm/core/grid/key-servers'
import { MdmError } from '@mdm/core/errors'
import type { Preset } from '@mdm/core/acl/presets'
import { samePrincipal, type Principal } from '@mdm/core/acl/principal'
import type { Chain } from '@mdm/core/acl/statement'
import type { Sha256 } from '@mdm/core/names'
import type { FoundKeysTable } from '../store/site-schema.ts'
import type { SiteStore } from '../store/site-store.ts'
import { inTransaction } from '../store/transaction.ts'
import type { RegisterOptions } from './register-series.ts'

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
