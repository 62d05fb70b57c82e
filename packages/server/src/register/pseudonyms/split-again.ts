import type { KeyObject } from 'node:crypto'
import { createFileKey } from '@mdm/core/crypto/file-key'
import { jwsDigest } from '@mdm/core/crypto/jws'
import type { KeyServerPeer } from '@mdm/core/grid/key-servers'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import { inTransaction } from '../../store/transaction.ts'
import { putShares } from '../key-servers.ts'
import { putOutbox } from '../outbox.ts'
import { heldShares, type HeldShare } from './held-shares.ts'
import { foundingOf, type PseudonymKeyOptions } from './make-key.ts'
import { storeSplit, type StoredKey } from './stored-key.ts'

/**
 * Splits the key again, with the next epoch, where a key server of today's roster lacks its share, or the roster has other key
 * servers or another threshold. A crash on the way leaves the split before it in use, of which nothing was deleted.
 *
 * @returns false where not every key server could be asked or take its share: to be tried again later
 */
export async function splitAgain(
  o: PseudonymKeyOptions,
  key: StoredKey,
  secret: KeyObject,
  signal: AbortSignal,
): Promise<boolean> {
  const [servers, roster, signer] = [o.keyServers(), o.roster(), o.signer()]
  const { guid, kid } = key
  const { held, silent } = await heldShares({ servers, roster, guid }, signal)
  if (silent.length > 0) return false
  if (isWhole(key, held, servers, roster)) return true
  const epoch = Math.max(key.epoch, ...held.map(({ manifest }) => manifest.epoch)) + 1
  const { site, m, n } = roster.body
  const { shares, manifest } = await createFileKey({
    ...{ site, guid, version: 1, kid, epoch, m, n, signer, fileKey: secret },
    servers: servers.map(({ id }) => id),
  })
  try {
    const founding = await foundingOf(o, guid, signal)
    const missing = await putShares(
      servers,
      { guid, kid, epoch, shares, manifest, founding },
      { signal, stored: async () => {} },
    )
    if (missing.length > 0) return false
  } finally {
    for (const share of shares) share.fill(0)
  }
  await inTransaction(o.db, async (trx) => {
    await storeSplit(trx, { kid, epoch, manifest })
    await putOutbox(trx, {
      eventId: `pseudonym-key-split:${kid}:${epoch}`,
      ...{ event: 'pseudonym-key-split', outcome: 'done', site, guid, kid },
      facts: { epoch, manifest: jwsDigest(manifest), m, n },
    })
  })
  return true
}

/** True when the split in use is the roster's, and each of its servers has its share. */
function isWhole(
  { kid, epoch }: StoredKey,
  held: readonly HeldShare[],
  servers: readonly KeyServerPeer[],
  { body: { m } }: TrustedRoster,
): boolean {
  return servers.every(({ id }, i) =>
    held.some(
      ({ server, manifest }) =>
        server === id &&
        manifest.kid === kid &&
        manifest.epoch === epoch &&
        manifest.m === m &&
        manifest.n === servers.length &&
        manifest.servers[i] === id,
    ),
  )
}
