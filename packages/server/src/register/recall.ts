import type { KeyObject } from 'node:crypto'
import { catchUp, type Offer } from '@mdm/core/acl/catch-up'
import { emptyChain, type Chain } from '@mdm/core/acl/statement'
import { verifyManifest, type KeyManifest } from '@mdm/core/crypto/manifest'
import { rosterFingerprint, type TrustedRoster } from '@mdm/core/identity/roster'
import type { Guid, SiteId } from '@mdm/core/names'
import { getRosters } from '@mdm/core/wire/common'
import { getHeldKeys, type HeldKey } from '@mdm/core/wire/key-server'
import { placeOf } from '@mdm/core/wire/witness'
import { MdmError } from '@mdm/core/errors'
import type { KeyServerPeer } from '@mdm/core/grid/key-servers'
import type { Audit } from '../audit/audit.ts'
import type { AccessLists } from '../catalog/access-lists.ts'
import { peerWitness, type Witness } from '../keyshares/witnesses.ts'
import type { FoundKeysTable } from '../store/registration-schema.ts'
import type { SiteStore } from '../store/site-store.ts'
import { inTransaction } from '../store/transaction.ts'
import type { Rosters } from '../store/rosters.ts'
import { openNote } from './note.ts'

export interface RecallOptions {
  readonly db: SiteStore
  readonly site: SiteId
  readonly lists: AccessLists
  readonly audit: Audit
  readonly roster: () => TrustedRoster
  readonly rosters: Rosters
  readonly keyServers: () => readonly KeyServerPeer[]
  readonly noteKey: KeyObject
  readonly now: () => Date
}

/** How many inserts one transaction does at once. */
const AT_ONCE = 50

/** True for a store that was put back and does not know yet what happened since. */
export async function isRecalling(db: SiteStore): Promise<boolean> {
  return (await db.selectFrom('restored').select('since').executeTakeFirst()) !== undefined
}

/** True for a GUID that this store knows from its key servers only. */
export async function isFound(db: SiteStore, guid: Guid): Promise<boolean> {
  const row = await db.selectFrom('found_keys').select('kid').where('guid', '=', guid).executeTakeFirst()
  return row !== undefined
}

/** True while keys are left that belong to no volume of this store. */
export async function hasFound(db: SiteStore): Promise<boolean> {
  return (await db.selectFrom('found_keys').select('kid').limit(1).executeTakeFirst()) !== undefined
}

/**
 * What a site that was put back does before anything else: it takes the key lists, bans and groups of today from its key servers,
 * and learns which keys they hold that it does not know, so that registering the same volume gives it the GUID it had.
 *
 * @returns false while too few key servers answer: n - m + 1 are needed, so that one of them was not put back itself
 * @see decision 26
 */
export async function recall(o: RecallOptions, signal: AbortSignal): Promise<boolean> {
  if (await takeRosters(o, signal)) return false
  const roster = o.roster()
  const { m, n } = roster.body
  const answers = await Promise.allSettled(
    o.keyServers().map(async ({ id, peer }) => {
      const witness = peerWitness(id, peer, roster, signal)
      return { witness, keys: await heldKeys(peer, o.site, signal), heads: await witness.heads() }
    }),
  )
  const heard = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
  if (heard.length < n - m + 1) return false
  const lists = await takeLists(o, roster, heard)
  const found = await foundKeys(
    o,
    roster,
    heard.map(({ keys }) => keys),
  )
  await inTransaction(o.db, async (trx) => {
    await trx.deleteFrom('found_keys').execute()
    for (let i = 0; i < found.length; i += AT_ONCE)
      await trx
        .insertInto('found_keys')
        .values(found.slice(i, i + AT_ONCE))
        .execute()
    await trx.deleteFrom('restored').execute()
    await o.audit.record({
      ...{ event: 'site-recalled', outcome: 'done', site: o.site },
      facts: { keyServers: heard.length, lists, keys: found.length },
    })
  })
  return true
}

/** A later roster that a key of this roster signed is the site's own word. @returns true when there was one */
async function takeRosters(o: RecallOptions, signal: AbortSignal): Promise<boolean> {
  const { seq } = o.roster().body
  const answers = await Promise.allSettled(
    o
      .keyServers()
      .map(({ peer }) =>
        peer.call(getRosters, { params: { site: o.site }, query: { since: seq + 1 } }, { signal }),
      ),
  )
  for (const answer of answers) {
    if (answer.status === 'rejected') continue
    for (const jws of answer.value.rosters) {
      await o.rosters.trust(jws, rosterFingerprint(jws)).catch((error: unknown) => {
        if (!(error instanceof MdmError)) throw error
      })
    }
  }
  return o.roster().body.seq > seq
}

async function heldKeys(peer: KeyServerPeer['peer'], site: SiteId, signal: AbortSignal): Promise<HeldKey[]> {
  const keys: HeldKey[] = []
  for (let after: string | undefined; ;) {
    const page = await peer.call(getHeldKeys, { params: { site }, query: { after } }, { signal })
    keys.push(...page.keys)
    if (page.next === undefined) return keys
    if (page.next <= (after ?? '')) throw new MdmError('MDM_BAD_REQUEST')
    after = page.next
  }
}

/** Lists of today for volumes that this store knows, and of bans and groups. @returns how many moved on */
async function takeLists(
  o: RecallOptions,
  roster: TrustedRoster,
  heard: readonly { witness: Witness; heads: Awaited<ReturnType<Witness['heads']>> }[],
): Promise<number> {
  let taken = 0
  const places = new Map(
    heard.flatMap(({ heads }) => [...heads.values()].map((h) => [placeOf(h), h] as const)),
  )
  for (const { scope, object } of places.values()) {
    const own = await o.lists.get(scope, object)
    if (scope !== 'site' && own.seq < 0) continue
    const ahead = heard.filter(({ heads }) => (heads.get(placeOf({ scope, object }))?.seq ?? -1) > own.seq)
    const offers = await Promise.all(
      ahead.map(async ({ witness }): Promise<Offer> => {
        const statements = await witness.statements(scope, object).catch(() => [])
        return { witness: witness.name, statements }
      }),
    )
    if (offers.length === 0) continue
    const before: Chain = { ...own, statements: await o.lists.statements(scope, object) }
    const { chain, refused } = await catchUp(before, offers, { roster })
    for (const { witness, code } of refused)
      await o.audit.record({ event: 'witness-refused', outcome: 'refused', code, object, facts: { witness } })
    if (chain.seq <= before.seq) continue
    const publish = await inTransaction(o.db, async (trx) => {
      const done = await o.lists.extend(trx, before, chain, o.now())
      await o.audit.record({
        ...{ eventId: `caught-up:${chain.head}`, event: 'statements-caught-up', outcome: 'done' },
        ...{ site: o.site, object, ...(scope === 'site' ? {} : { guid: scope }) },
        facts: { seq: chain.seq, head: chain.head!, missed: chain.seq - before.seq },
      })
      return done
    })
    publish()
    taken++
  }
  return taken
}

/** Keys that no volume of this store has; only what this site signed and sealed itself counts. */
async function foundKeys(
  o: RecallOptions,
  roster: TrustedRoster,
  answers: readonly (readonly HeldKey[])[],
): Promise<FoundKeysTable[]> {
  const used = new Set((await o.db.selectFrom('versions').select('kid').execute()).map((row) => row.kid))
  const found = new Map<string, FoundKeysTable>()
  for (const key of answers.flat()) {
    const { guid, kid, version, epoch, manifest, note } = key
    const known = found.get(kid)
    if (known !== undefined) known.servers++
    if (known !== undefined || used.has(kid) || epoch !== 1 || note === null) continue
    const said = openNote(o.noteKey, { guid, kid }, note)
    const signed: KeyManifest | undefined = await verifyManifest(manifest, roster.signers, {
      ...{ site: o.site, guid, kid, version },
    }).catch(() => undefined)
    if (said === undefined || signed === undefined) continue
    const { volumeKey: volume_key, contentDigest: content_digest } = said
    const { created } = signed
    found.set(kid, { kid, guid, version, volume_key, content_digest, manifest, created, servers: 1 })
  }
  return [...found.values()]
}

/** The newest key list of a GUID that the key servers show, verified; the founding of a volume that is bound again. */
export async function keyListOf(
  o: { site: SiteId; roster: () => TrustedRoster; keyServers: () => readonly KeyServerPeer[] },
  guid: Guid,
  signal: AbortSignal,
): Promise<Chain> {
  const roster = o.roster()
  const offers = await Promise.all(
    o.keyServers().map(async ({ id, peer }): Promise<Offer> => {
      const statements = await peerWitness(id, peer, roster, signal)
        .statements(guid, 'key')
        .catch(() => [])
      return { witness: id, statements }
    }),
  )
  const { chain, inDoubt } = await catchUp(emptyChain(o.site, guid, 'key'), offers, { roster })
  if (chain.seq < 0 || inDoubt)
    throw new MdmError('MDM_STATEMENT_FORKED', 'the key servers do not agree on a key list')
  return chain
}
