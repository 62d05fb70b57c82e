import type { KeyObject } from 'node:crypto'
import { checkShare, verifyManifest, type KeyManifest } from '@mdm/core/crypto/manifest'
import { MdmError } from '@mdm/core/errors'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import { Guid, type KeyServerId } from '@mdm/core/names'
import { revealShare, sharesOf, type Db, type StoredShare } from '../keyshares/share-store.ts'
import type { Rosters } from '../store/rosters.ts'
import type { Collector } from './findings.ts'

interface Known {
  readonly rosters: Rosters
  readonly storeKey: KeyObject
  /** of this server, as manifests name it */
  readonly id: KeyServerId
}

/** Every share: does its manifest verify, is it of this place, does the share open and is it the one described. */
export async function checkStoredShares(db: Db, o: Known, to: Collector): Promise<void> {
  const owners = await db.selectFrom('guid_owner').selectAll().orderBy('guid').execute()
  const listed = new Set(
    (await db.selectFrom('acl_chain').select('scope').where('object', '=', 'key').execute()).map(
      (row) => row.scope,
    ),
  )
  const untrusted = new Map<string, number>()
  for (const { guid, site } of owners) {
    const shares = await sharesOf(db, guid)
    to.look('shares', shares.length)
    if (shares.length > 0 && !listed.has(guid)) to.find('share-without-list', guid)
    const roster = o.rosters.of(site)
    if (roster === undefined) untrusted.set(site, (untrusted.get(site) ?? 0) + shares.length)
    else for (const share of shares) await checkStored(share, roster, o, to)
  }
  for (const [site, count] of untrusted) to.find('site-untrusted', `${site}: ${count} shares`)
}

async function checkStored(
  share: StoredShare,
  roster: TrustedRoster,
  o: Known,
  to: Collector,
): Promise<void> {
  const { guid, kid, epoch, version } = share
  const thing = `${guid} kid ${kid} epoch ${epoch}`
  let manifest: KeyManifest
  try {
    manifest = await verifyManifest(share.manifest, roster.signers, {
      site: roster.body.site,
      guid: Guid.parse(guid),
    })
  } catch (error) {
    if (!(error instanceof MdmError)) throw error
    return to.find('manifest-unverified', thing)
  }
  if (manifest.kid !== kid || manifest.epoch !== Number(epoch) || manifest.version !== Number(version))
    return to.find('share-misplaced', thing)
  let envelope: Buffer
  try {
    envelope = revealShare(o.storeKey, share)
  } catch (error) {
    if (!(error instanceof MdmError)) throw error
    return to.find('share-sealed', thing)
  }
  try {
    checkShare(manifest, o.id, envelope).fill(0)
  } catch (error) {
    if (!(error instanceof MdmError)) throw error
    to.find('share-damaged', thing)
  } finally {
    envelope.fill(0)
  }
}
