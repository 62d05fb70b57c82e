import type { KeyObject } from 'node:crypto'
import { signFounding, type AclEntry } from '@mdm/core/acl/statement'
import { jwsDigest } from '@mdm/core/crypto/jws'
import { MdmError } from '@mdm/core/errors'
import { newKid, type Guid } from '@mdm/core/names'
import type { AuditEvent } from '../../audit/audit.ts'
import { inTransaction } from '../../store/transaction.ts'
import { dropShares, notReady, putShares, waitingFor } from '../key-servers.ts'
import { putOutbox } from '../outbox.ts'
import { keyListOf } from '../recall.ts'
import type { RegisterOptions } from '../register-series.ts'
import { makeKey } from '../seal.ts'
import { heldShares, wholeSplits, type HeldShare } from './held-shares.ts'
import { pseudonymKeyGuid } from './key-name.ts'
import { storedKey, storeKey, type StoredKey } from './stored-key.ts'

/** What making, finding and splitting the pseudonym key need of registration. */
export type PseudonymKeyOptions = Pick<
  RegisterOptions,
  'db' | 'site' | 'roster' | 'keyServers' | 'signer' | 'now' | 'after'
> & {
  /** a key on the disk of the site, from which the GUID of the pseudonym key follows */
  readonly localKey: KeyObject
}

/**
 * The key that is in use; where there is none, the one that key servers hold already, else a new one. Only the row that it ends
 * with puts a key in use, and there is room for one row: a crash before it leaves shares that the next attempt takes up or deletes.
 *
 * @throws MDM_WAITING when a new key is needed and not every key server can take its share
 */
export async function keyInUse(o: PseudonymKeyOptions, signal: AbortSignal): Promise<StoredKey> {
  const stored = await storedKey(o.db)
  if (stored !== undefined) return stored
  const guid = pseudonymKeyGuid(o.localKey, o.site)
  const { held, silent } = await heldShares({ servers: o.keyServers(), roster: o.roster(), guid }, signal)
  const [found] = wholeSplits(held)
  // Left by a crash, or by a site that was put back: either way nobody has seen another key in use.
  if (found !== undefined)
    return await putInUse(o, splitOf(found[0]!, o.now()), {
      event: 'pseudonym-key-found',
      outcome: 'done',
    })
  const missing = silent.length > 0 ? silent : await notReady(o.keyServers(), signal)
  if (missing.length > 0) throw waits(waitingFor(missing))
  for (const kid of new Set(held.map(({ manifest }) => manifest.kid))) {
    const left = await dropShares(o.keyServers(), { guid, kid }, signal)
    if (left.length > 0) throw waits(waitingFor(left))
  }
  return await make(o, guid, signal)
}

/** Why registration waits, for people. */
export function waits(why: string): MdmError {
  return new MdmError('MDM_WAITING', `for the pseudonym key, which waits for ${why}`)
}

async function make(o: PseudonymKeyOptions, guid: Guid, signal: AbortSignal): Promise<StoredKey> {
  const [kid, roster, signer] = [newKid(), o.roster(), o.signer()]
  const { shares, manifest } = await makeKey({ guid, version: 1, kid }, { roster, signer })
  await o.after?.('P1')
  try {
    const founding = await foundingOf(o, guid, signal)
    const missing = await putShares(
      o.keyServers(),
      { guid, kid, epoch: 1, shares, manifest, founding },
      { signal, stored: async (place) => await o.after?.(`P2.${place}`) },
    )
    if (missing.length > 0) throw waits(waitingFor(missing))
  } finally {
    for (const share of shares) share.fill(0)
  }
  const made = { guid, kid, epoch: 1, manifest, since: o.now().toISOString() }
  return await putInUse(o, made, { event: 'pseudonym-key-made', outcome: 'done' })
}

/**
 * The first statement of the key's list: the site's service reads the key, and no one else. Key servers keep the first one for ever,
 * so that what is stored later brings the same.
 */
export async function foundingOf(o: PseudonymKeyOptions, guid: Guid, signal: AbortSignal): Promise<string> {
  const known = await keyListOf(o, guid, signal).catch((error: unknown) => {
    // No key server shows a list; one that hid it refuses the share.
    if (error instanceof MdmError && error.code === 'MDM_STATEMENT_FORKED') return undefined
    throw error
  })
  if (known !== undefined) return known.statements[0]!
  const entries: AclEntry[] = [{ to: { kind: 'service', site: o.site }, rights: ['read'], versions: 'all' }]
  return await signFounding({ site: o.site, guid, object: 'key', entries, signer: o.signer(), now: o.now() })
}

async function putInUse(
  o: PseudonymKeyOptions,
  key: StoredKey,
  told: Pick<AuditEvent, 'event' | 'outcome'>,
): Promise<StoredKey> {
  const { guid, kid, epoch, manifest } = key
  await inTransaction(o.db, async (trx) => {
    await storeKey(trx, key)
    await putOutbox(trx, {
      ...{ ...told, eventId: `${told.event}:${kid}`, site: o.site, guid, kid },
      facts: { epoch, manifest: jwsDigest(manifest) },
    })
  })
  await o.after?.('P3')
  return key
}

function splitOf({ manifest: { guid, kid, epoch }, jws }: HeldShare, now: Date): StoredKey {
  return { guid, kid, epoch, manifest: jws, since: now.toISOString() }
}
