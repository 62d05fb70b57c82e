import type { KeyObject } from 'node:crypto'
import type { Preset } from '@mdm/core/acl/presets'
import type { Principal } from '@mdm/core/acl/principal'
import { MdmError } from '@mdm/core/errors'
import type { KeyServerPeer } from '@mdm/core/grid/key-servers'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import type { Guid, Kid, Sha256 } from '@mdm/core/names'
import type { RefusedVolume, RegisteredSet } from '@mdm/core/wire/register'
import type { Audit, AuditCaller } from '../audit/audit.ts'
import type { DicomSource, FoundSeries, InstanceHeader, SeriesRef } from '../dicom/source.ts'
import type { Rosters } from '../store/rosters.ts'
import { inTransaction } from '../store/transaction.ts'
import { isTooLong } from '../volume/group.ts'
import type { Refusal, SeriesPlan } from '../volume/plan.ts'
import type { Retained } from '../volume/profile.ts'
import type { CommitOptions } from './commit.ts'
import { headersToPlan } from './headers-to-plan.ts'
import { refusalDigest, setKey, sopsOf, volumeKey } from './fingerprints.ts'
import { holdsOf, releasedHolds, type Hold } from './holds.ts'
import { flushOutbox } from './outbox.ts'
import { planOf } from './plan-of.ts'
import {
  isThere,
  knownVolume,
  markGone,
  markReturned,
  sliceName,
  sliceNames,
  volumesOf,
  wasSeen,
  type KnownVolume,
} from './presence.ts'
import type { Pseudonyms } from './pseudonyms/pseudonyms.ts'
import { endQuarantine, quarantine } from './quarantine.ts'
import { registerSets } from './register-sets.ts'
import { registerVolume, type VolumeOutcome } from './register-volume.ts'
import { renameVolumes } from './rename.ts'
import type { Signer } from './seal.ts'
import { setCount } from './triggers/notice-rows.ts'

/**
 * The steps of FLOW 1 after which a test may stop a registration; `J4.1` is the first key server, S1 ends each set, T1 and T2 end a
 * tombstone, P1 to P3 make the pseudonym key.
 */
export type Step =
  'P1' | `P2.${number}` | 'P3' | 'J1' | 'J2' | 'J3' | `J4.${number}` | 'J5' | 'J6' | 'J7' | 'S1' | 'T1' | 'T2'

export interface RegisterOptions extends CommitOptions {
  readonly audit: Audit
  readonly roster: () => TrustedRoster
  readonly rosters: Rosters
  readonly signer: () => Signer
  /** in the order of the roster */
  readonly keyServers: () => readonly KeyServerPeer[]
  readonly policy: readonly { to: Principal; preset: Preset }[]
  /** on the disk of the site: names volumes and refusals while no key server answers */
  readonly localKey: KeyObject
  readonly pseudonyms: Pseudonyms
  /** what leaves beside the closed list, of what is registered from now on */
  readonly retained: Retained
  /** seals what the site tells itself beside each share */
  readonly noteKey: KeyObject
  /** called when a step is durable; what it throws is a crash there */
  readonly after?: (step: Step) => void | Promise<void>
}

/** What became of one volume of a series, or a set that it makes. */
export type Outcome =
  | VolumeOutcome
  | { readonly type: 'set'; readonly set: RegisteredSet }
  | { readonly type: 'gone'; readonly guid: Guid }
  | { readonly type: 'refused'; readonly refused: RefusedVolume }
  | { readonly type: 'dropped'; readonly quarantine: string }

/** Keys being registered by this process; recovery leaves their shares alone. */
export type InFlight = Set<Kid>

/** One series to look at, and in whose name. */
export interface SeriesJob {
  readonly source: DicomSource
  /** with the mark that a look at the source gave it */
  readonly ref: SeriesRef & Pick<FoundSeries, 'mark'>
  readonly caller: AuditCaller
  readonly signal: AbortSignal
  /** a person said that slices may be missing or uneven */
  readonly allowGaps?: boolean | undefined
}

/**
 * FLOW 1 for one series: `source -> headers -> group -> key -> shares -> one commit`. Doing it again is harmless: a known volume
 * is `already`, one with other slices is a new version of its GUID, one that its source no longer has is marked as gone until it is
 * there again.
 *
 * @throws MDM_SOURCE_UNREACHABLE, MDM_SOURCE_INCOMPLETE, MDM_AUDIT: the journal keeps the series PENDING
 */
export async function* registerSeries(
  o: RegisterOptions,
  inFlight: InFlight,
  of: SeriesJob,
): AsyncGenerator<Outcome> {
  const { source, ref, caller } = of
  const first = seriesHandle(o, ref)
  const entry = { source: source.name, ref, caller }
  await o.journal.beginSeries(first, entry)
  await o.after?.('J1')
  const headers = await headersOf(of)
  const holds = holdsOf(o.localKey, { source: source.name, series: ref }, headers)
  const released = new Set((await releasedHolds(o.db, holds)).flatMap(({ sops }) => [...sops]))
  const plan =
    headers.length === 0
      ? await planNothing(o, of)
      : await planOf(o, of, headers, { released: ({ sop }) => released.has(sop) })
  await o.after?.('J2')
  const kept: Sha256[] = []
  for (const refusal of plan.refused) {
    const { outcome, digest } = await refuse(o, of, refusal, { headers, holds })
    kept.push(digest)
    yield outcome
  }
  const volumes: (Sha256 | undefined)[] = []
  const made = plan.volumes.map((volume) => ({ key: keyOf(o, ref, volume.label), plan: volume }))
  const sets = plan.sets.map(({ label }) => setKey(o.localKey, { site: o.site, ...ref, label }))
  const keys = [...made.map(({ key }) => key), ...sets]
  // All of them before the first is made: who goes on after a crash must know that the series makes more.
  await o.journal.begin(keys, { ...entry, series: first })
  await renameVolumes(o, ref, made)
  for (const { key, plan: volume } of made) {
    const outcome = await registerVolume(o, inFlight, { ...of, key, plan: volume })
    volumes.push(outcome.type === 'waiting' ? undefined : key)
    yield outcome
  }
  const held = new Set(holds.flatMap(({ sops }) => [...sops]).filter((sop) => !released.has(sop)))
  yield* withdraw(o, of, plan, new Set(sopsOf(headers).filter((sop) => !held.has(sop))))
  yield* registerSets(o, of, { plan, volumes, sets })
  await o.journal.settle({ source: source.name, series: first, made: keys })
  if (plan.volumes.length === 0) await close(o, first, plan.refused)
  if (volumes.includes(undefined)) return
  const why = headers.length === 0 ? 'left' : plan.volumes.length > 0 ? 'registered' : 'changed'
  await endQuarantine(o.db, { source: source.name, series: ref, kept, why, caller })
  // A series that is too long was not read to its end.
  const objects = headers.length
  if (!isTooLong(headers))
    await setCount(o.db, { source: source.name, ref, objects, mark: ref.mark }, o.now())
  await flushOutbox(o.db, o.audit)
}

/** A series that is not there: it left, or its source never had what it was said to have. Only the latter is refused. */
async function planNothing(o: RegisterOptions, { source, ref }: SeriesJob): Promise<SeriesPlan> {
  if (await wasSeen(o.db, source.name, ref)) return { volumes: [], sets: [], refused: [] }
  const reason = 'the series is not at its source'
  return { volumes: [], sets: [], refused: [{ code: 'MDM_SOURCE_INCOMPLETE', reason, instances: 0 }] }
}

/** Names a series to those who may not know which it is: the key that its only volume has, or would have. */
export function seriesHandle(o: Pick<RegisterOptions, 'localKey' | 'site'>, ref: SeriesRef): Sha256 {
  return keyOf(o, ref, '')
}

function keyOf(
  o: Pick<RegisterOptions, 'localKey' | 'site'>,
  { study, series }: SeriesRef,
  label: string,
): Sha256 {
  return volumeKey(o.localKey, { site: o.site, study, series, label })
}

/**
 * Registered volumes that the series does not make now. Where some of it is refused, a volume whose slices are all there still, and in
 * no other volume, is one that can be delivered: what is missing may come. All else is gone.
 */
async function* withdraw(
  o: RegisterOptions,
  of: SeriesJob,
  plan: SeriesPlan,
  shown: ReadonlySet<string>,
): AsyncGenerator<Outcome> {
  const made = new Set(plan.volumes.map(({ label }) => label))
  const used = new Set(plan.volumes.flatMap(({ slices }) => slices.map(sliceName)))
  for (const volume of await volumesOf(o.db, of.source.name, of.ref)) {
    if (made.has(volume.label)) continue
    const there =
      plan.refused.length > 0 &&
      (await isThere(o.db, volume, shown)) &&
      (await sliceNames(o.db, volume)).isDisjointFrom(used)
    if (there && volume.goneSince !== null) {
      await markReturned(o, volume, of)
      yield { type: 'returned', guid: volume.guid }
    }
    if (!there) yield* tombstone(o, volume, of)
    await o.journal.set(volume.key, 'ACTIVE')
  }
}

async function* tombstone(o: RegisterOptions, volume: KnownVolume, of: SeriesJob): AsyncGenerator<Outcome> {
  if (!(await markGone(o, volume, of))) return
  await o.after?.('T1')
  await flushOutbox(o.db, o.audit)
  await o.after?.('T2')
  yield { type: 'gone', guid: volume.guid }
}

async function refuse(
  o: RegisterOptions,
  { source, ref, caller }: SeriesJob,
  refusal: Refusal,
  { headers, holds }: { headers: readonly InstanceHeader[]; holds: readonly Hold[] },
): Promise<{ outcome: Outcome; digest: Sha256 }> {
  const { code, reason } = refusal
  const hold = code === 'MDM_PRIVACY_HELD' ? holds.find((held) => held.reason === reason) : undefined
  const of = { source: source.name, series: ref, code, reason, sops: sopsOf(headers) }
  const digest = hold?.digest ?? refusalDigest(o.localKey, of)
  const kept = { source: source.name, series: ref, digest, holds: hold?.sops.size ?? 0, caller, now: o.now() }
  const { isDropped, ...refused } = await inTransaction(o.db, (trx) => quarantine(trx, refusal, kept))
  await flushOutbox(o.db, o.audit)
  if (isDropped) return { outcome: { type: 'dropped', quarantine: refused.quarantine }, digest }
  return { outcome: { type: 'refused', refused }, digest }
}

/** A series without a volume is closed, unless one of it was registered when it still made one. */
async function close(o: RegisterOptions, key: Sha256, refused: readonly Refusal[]): Promise<void> {
  if ((await knownVolume(o.db, key)) !== undefined) await o.journal.set(key, 'ACTIVE')
  else await o.journal.set(key, 'QUARANTINED', refused[0]?.code ?? 'MDM_GONE')
}

/**
 * @returns nothing for a series that is no longer at its source, by its own count too
 * @throws MDM_SOURCE_INCOMPLETE when the source counts objects and gives none
 */
async function headersOf({ source, ref, signal }: SeriesJob): Promise<InstanceHeader[]> {
  let headers: InstanceHeader[] = []
  try {
    headers = await headersToPlan(source, ref, signal)
  } catch (error) {
    if (!(error instanceof MdmError) || error.code !== 'MDM_NOT_FOUND') throw error
  }
  // One answer is not enough to say that a hospital gave a series up.
  if (headers.length === 0 && (await source.count(ref, signal)) > 0)
    throw new MdmError('MDM_SOURCE_INCOMPLETE', 'the source counts objects of a series and gives none')
  return headers
}
