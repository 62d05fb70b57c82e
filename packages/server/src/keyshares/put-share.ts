import { z } from 'zod'
import { emptyChain, verifyChain, type Chain } from '@mdm/core/acl/statement'
import { jwsDigest, peekJws } from '@mdm/core/crypto/jws'
import { checkShare, verifyManifest, type KeyManifest } from '@mdm/core/crypto/manifest'
import { spkiDigest } from '@mdm/core/crypto/spki'
import { MdmError } from '@mdm/core/errors'
import { SiteId, type Guid, type Kid } from '@mdm/core/names'
import { auditCaller } from '../audit/audit-caller.ts'
import type { RequestContext } from '../http/route.ts'
import { inTransaction } from '../store/transaction.ts'
import { digestAt, extendChain, type ChainName } from './chain-store.ts'
import type { ServingKeyServer } from './key-server.ts'
import {
  claimGuid,
  deletionsOf,
  insertShare,
  ownerOf,
  revealShare,
  sharesOf,
  type Db,
} from './share-store.ts'
import { standingOf } from './standing.ts'

type PutContext = RequestContext<
  { guid: Guid; kid: Kid; epoch: number },
  unknown,
  { share: string; manifest: string; founding: string; note?: string | undefined }
>

/**
 * Stores one share of a new key for the site that made it; the same again changes nothing.
 *
 * @throws MDM_NOT_FOUND when the caller is not the service of the site the manifest names
 * @throws MDM_MANIFEST, MDM_BAD_SHARE, MDM_STATEMENT when one of the three does not verify or names something else
 * @throws MDM_STATEMENT_FORKED when the GUID was founded by another statement
 * @throws MDM_CONFLICT when another share, a newer epoch or another version is stored under the kid
 * @see paper 3.3; decision 5
 */
export async function putShare(server: ServingKeyServer, c: PutContext): Promise<{ stored: true }> {
  const site = siteOf(c.body.manifest)
  const standing = await standingOf(server, c.chain, site)
  if (standing?.caller.kind !== 'service' || standing.caller.site !== site)
    throw new MdmError('MDM_NOT_FOUND')
  server.catchUp.requireServing(site)
  const { roster, caller } = standing
  const { guid, kid, epoch } = c.params
  // Former keys keep old manifests verifiable; what is stored now is signed by a key of today.
  const signers = roster.signers.filter((signer) => roster.signing.has(spkiDigest(signer.key)))
  const manifest = await verifyManifest(c.body.manifest, signers, { site, guid, kid })
  if (manifest.epoch !== epoch) throw new MdmError('MDM_MANIFEST', 'the manifest is of another epoch')
  const share = checkShare(manifest, server.id, Buffer.from(c.body.share, 'base64'))
  const name: ChainName = { site, scope: guid, object: 'key' }
  const founded = await verifyChain([c.body.founding], { roster, ...name })
  await inTransaction(server.db, async (trx) => {
    await requireFounding(trx, name, founded)
    if (await isStored(server, trx, manifest, c.body.manifest, share)) return
    const { version } = manifest
    const digest = jwsDigest(c.body.manifest)
    await insertShare(trx, server.storeKey, {
      guid,
      kid,
      epoch,
      version,
      manifest: c.body.manifest,
      share,
      note: c.body.note ?? null,
      now: server.now(),
    })
    // Inside the transaction: without its record the share is not stored.
    await server.audit.record({
      // The same again after a crash that lost the transaction and not the record.
      eventId: `share-stored:${digest}:${await deletionsOf(trx, guid)}`,
      event: 'share-stored',
      outcome: 'done',
      caller: auditCaller(caller),
      site,
      guid,
      version,
      kid,
      requestId: c.requestId,
      facts: { epoch, manifest: digest },
    })
  })
  share.fill(0)
  return { stored: true }
}

function siteOf(manifest: string): SiteId {
  const claimed = z.object({ site: SiteId }).safeParse(peekJws(manifest).payload)
  if (!claimed.success) throw new MdmError('MDM_MANIFEST', 'the manifest names no site')
  return claimed.data.site
}

/** A GUID is founded once: the first statement says whose it is and who administers its key, and no other ever replaces it. */
async function requireFounding(trx: Db, name: ChainName, founded: Chain): Promise<void> {
  const owner = await ownerOf(trx, name.scope)
  if (owner === undefined) {
    await claimGuid(trx, name.scope, name.site)
    await extendChain(trx, name, emptyChain(name.site, name.scope, name.object), founded)
    return
  }
  if (owner !== name.site || (await digestAt(trx, name, 0)) !== jwsDigest(founded.statements[0]!)) {
    throw new MdmError('MDM_STATEMENT_FORKED', 'the GUID was founded by another statement')
  }
}

/** True when exactly this is stored; epochs of a key are never mixed, so anything that differs is refused. */
async function isStored(
  server: ServingKeyServer,
  trx: Db,
  manifest: KeyManifest,
  jws: string,
  share: Buffer,
): Promise<boolean> {
  const { guid, kid, epoch, version } = manifest
  const stored = await sharesOf(trx, guid, kid)
  const same = stored.find((row) => row.epoch === epoch)
  if (same !== undefined) {
    if (same.manifest === jws && revealShare(server.storeKey, same).equals(share)) return true
    throw new MdmError('MDM_CONFLICT', 'another share is stored under this key and epoch')
  }
  if (stored.some((row) => row.epoch > epoch))
    throw new MdmError('MDM_CONFLICT', 'a newer epoch of this key is stored')
  if (stored.some((row) => row.version !== version))
    throw new MdmError('MDM_CONFLICT', 'the key belongs to another version')
  return false
}
