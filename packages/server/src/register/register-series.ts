import type { KeyObject } from 'node:crypto'
import type { Preset } from '@mdm/core/acl/presets'
import type { Principal } from '@mdm/core/acl/principal'
import type { Chain } from '@mdm/core/acl/statement'
import { MdmError } from '@mdm/core/errors'
import type { KeyServerPeer } from '@mdm/core/grid/key-servers'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import { newGuid, newKid, type Guid, type Kid, type Sha256, type Version } from '@mdm/core/names'
import type { RefusedVolume, RegisteredVolume } from '@mdm/core/wire/site'
import type { Audit, AuditCaller } from '../audit/audit.ts'
import type { DicomSource, InstanceHeader, SeriesRef } from '../dicom/source.ts'
import type { Rosters } from '../store/rosters.ts'
import { inTransaction } from '../store/transaction.ts'
import { MAX_OBJECTS, planSeries } from '../volume/group.ts'
import type { Refusal, SeriesPlan, VolumePlan } from '../volume/plan.ts'
import { dropOthers, isWhole, policyOf } from './bind.ts'
import { commit, type CommitOptions, type Sealed } from './commit.ts'
import { contentDigest, refusalDigest, sopsOf, volumeKey } from './fingerprints.ts'
import { notReady, putShares, waitingFor, type Missing } from './key-servers.ts'
import { sealNote } from './note.ts'
import { flushOutbox } from './outbox.ts'
import { withPseudonym } from './pseudonym.ts'
import { quarantine } from './quarantine.ts'
import { isFound, isRecalling, keyListOf, recalled } from './recall.ts'
import { foundLists, makeKey, type Signer } from './seal.ts'

/** The steps of FLOW 1 after which a test may stop a registration; `J4.1` is the first key server. */
export type Step = 'J1' | 'J2' | 'J3' | `J4.${number}` | 'J5' | 'J6' | 'J7'

export interface RegisterOptions extends CommitOptions {
  readonly audit: Audit
  readonly roster: () => TrustedRoster
  readonly rosters: Rosters
  readonly signer: () => Signer
  /** in the order of the roster */
  readonly keyServers: () => readonly KeyServerPeer[]
  readonly policy: readonly { to: Principal; preset: Preset }[]
  readonly pseudonymKey: KeyObject
  /** seals what the site tells itself beside each share */
  readonly noteKey: KeyObject
  /** called when a step is durable; what it throws is a crash there */
  readonly after?: (step: Step) => void | Promise<void>
}

/** What became of one volume of a series. */
export type Outcome =
  | { readonly type: 'registered'; readonly volume: RegisteredVolume }
  | { readonly type: 'already'; readonly guid: Guid }
  | { readonly type: 'refused'; readonly refused: RefusedVolume }
  | { readonly type: 'waiting'; readonly missing: readonly Missing[]; readonly message: string }

/** A series that went away makes no volume; what was registered of it stays registered. */
const LEFT_THE_SOURCE: SeriesPlan = {
  volumes: [],
  refused: [{ code: 'MDM_SOURCE_INCOMPLETE', reason: 'the series is no longer at its source', instances: 0 }],
}

/** Keys being registered by this process; recovery leaves their shares alone. */
export type InFlight = Set<Kid>

/**
 * FLOW 1 for one series: `source -> headers -> group -> key -> shares -> one commit`. Doing it again is harmless: a known volume
 * is `already`, one with other slices is a new version of its GUID.
 *
 * @throws MDM_SOURCE_UNREACHABLE, MDM_AUDIT: the journal keeps the series PENDING
 */
export async function* registerSeries(
  o: RegisterOptions,
  inFlight: InFlight,
  of: { source: DicomSource; ref: SeriesRef; caller: AuditCaller; signal: AbortSignal },
): AsyncGenerator<Outcome> {
  const { source, ref, caller, signal } = of
  const first = keyOf(o, ref, 1)
  await o.journal.begin(first, { source: source.name, ref, caller, ordinal: 1 })
  await o.after?.('J1')
  const headers = await headersOf(source, ref, signal)
  const plan = headers.length === 0 ? LEFT_THE_SOURCE : planSeries(headers)
  await o.after?.('J2')
  const volumes = plan.volumes.map((volume) => ({
    ...volume,
    tables: withPseudonym(volume.tables, o.pseudonymKey, ref.study),
  }))
  for (const refusal of plan.refused) yield await refuse(o, of, refusal, headers)
  if (volumes.length === 0) await close(o, first, plan.refused)
  for (const [i, volume] of volumes.entries()) {
    const key = keyOf(o, ref, i + 1)
    await o.journal.begin(key, { source: source.name, ref, caller, ordinal: i + 1 })
    yield await registerVolume(o, inFlight, { ...of, key, ordinal: i + 1, plan: volume })
  }
}

interface NewVolume {
  readonly source: DicomSource
  readonly ref: SeriesRef
  readonly caller: AuditCaller
  readonly signal: AbortSignal
  readonly key: Sha256
  readonly ordinal: number
  readonly plan: VolumePlan
}

async function registerVolume(o: RegisterOptions, inFlight: InFlight, of: NewVolume): Promise<Outcome> {
  const known = await knownVolume(o, of.key)
  if (known?.digest === contentDigest(of.plan)) {
    await o.journal.set(of.key, 'ACTIVE')
    await finish(o, of.key)
    return { type: 'already', guid: known.guid }
  }
  if (await isRecalling(o.db)) {
    await o.journal.set(of.key, 'WAITING', 'MDM_WAITING')
    return { type: 'waiting', missing: [], message: 'waiting to hear what was registered since the backup' }
  }
  const down = await notReady(o.keyServers(), of.signal)
  if (down.length > 0) return await wait(o, of.key, down)
  await o.journal.set(of.key, 'PENDING')
  const names = { volumeKey: of.key, contentDigest: contentDigest(of.plan), guid: known?.guid }
  const found = await recalled(o.db, names)
  if (found?.held !== undefined && (await isWhole(o, found.held, of.signal))) {
    return await complete(o, of, { ...found.held, before: known?.latest })
  }
  const guid = known?.guid ?? found?.guid ?? newGuid()
  const version = Math.max(known?.latest ?? 0, found?.latest ?? 0) + 1
  const kid = newKid()
  inFlight.add(kid)
  try {
    return await seal(o, of, { guid, version, kid, before: known?.latest })
  } finally {
    inFlight.delete(kid)
  }
}

interface Naming {
  readonly guid: Guid
  readonly version: Version
  readonly kid: Kid
  /** the version before it in this store; undefined for a volume that is new to it */
  readonly before: Version | undefined
}

async function seal(o: RegisterOptions, of: NewVolume, name: Naming): Promise<Outcome> {
  const { guid, version, kid } = name
  const made = await makeKey({ guid, version, kid }, { roster: o.roster(), signer: o.signer() })
  const lists = await listsOf(o, name, of.signal)
  await o.after?.('J3')
  // Durable before the first share leaves: recovery deletes what no commit claims.
  await o.journal.attempt(of.key, { guid, kid })
  const note = sealNote(o.noteKey, name, { volumeKey: of.key, contentDigest: contentDigest(of.plan) })
  try {
    const missing = await putShares(
      o.keyServers(),
      { ...{ guid, kid, epoch: 1, note }, ...made, founding: lists.founding },
      { signal: of.signal, stored: async (place) => await o.after?.(`J4.${place}`) },
    )
    if (missing.length > 0) return await wait(o, of.key, missing)
  } finally {
    for (const share of made.shares) share.fill(0)
  }
  return await complete(o, of, { ...name, manifest: made.manifest }, lists)
}

interface Lists {
  /** statement 0 of the key list */
  readonly founding: string
  readonly foundings: Sealed['foundings']
  readonly keyList?: Chain
}

/** The lists of a new volume, of a GUID that this store has, or of one that only the key servers know. */
async function listsOf(
  o: RegisterOptions,
  { guid, version, before }: Naming,
  signal: AbortSignal,
): Promise<Lists> {
  if (before !== undefined) {
    const [founding] = await o.lists.statements(guid, 'key')
    return { founding: founding!, foundings: new Map() }
  }
  const found = { roster: o.roster(), signer: o.signer(), policy: o.policy, now: o.now() }
  if (version === 1 && !(await isFound(o.db, guid))) {
    const foundings = await foundLists(guid, found)
    return { founding: foundings.get('key')!, foundings }
  }
  const keyList = await keyListOf(o, guid, signal)
  const foundings = await foundLists(guid, { ...found, policy: policyOf(o.policy, keyList) })
  foundings.delete('key')
  return { founding: keyList.statements[0]!, foundings, keyList }
}

/** J5 to J7, for a key that all key servers hold. */
async function complete(
  o: RegisterOptions,
  of: NewVolume,
  name: Naming & { manifest: string },
  made?: Lists,
): Promise<Outcome> {
  const { key, ordinal, ref, caller, plan, source } = of
  const { guid, version, kid, before, manifest } = name
  const { foundings, keyList } = made ?? (await listsOf(o, name, of.signal))
  const sealed = {
    guid,
    version,
    kid,
    before,
    manifest,
    key,
    ordinal,
    source: source.name,
    ref,
    plan,
    foundings,
    caller,
  }
  const lfn = await commit(o, { ...sealed, ...(keyList === undefined ? {} : { keyList }) })
  await o.after?.('J5')
  await dropOthers(o.db, key, name, o.now())
  await finish(o, key)
  const { columns, rows, slices, modality } = plan.volume
  const shape = [columns, rows, slices]
  return {
    type: 'registered',
    volume: { guid, version, lfn, source: source.name, modality, shape, instances: plan.slices.length },
  }
}

/** J6 and J7: also what a crash after J5 left undone. */
async function finish(o: RegisterOptions, key: Sha256): Promise<void> {
  await flushOutbox(o.db, o.audit)
  await o.after?.('J6')
  await o.journal.acknowledge(key)
  await o.after?.('J7')
}

async function wait(o: RegisterOptions, key: Sha256, missing: readonly Missing[]): Promise<Outcome> {
  await o.journal.set(key, 'WAITING', 'MDM_WAITING')
  return { type: 'waiting', missing, message: `waiting for ${waitingFor(missing)}` }
}

async function refuse(
  o: RegisterOptions,
  of: { source: DicomSource; ref: SeriesRef; caller: AuditCaller },
  refusal: Refusal,
  headers: readonly InstanceHeader[],
): Promise<Outcome> {
  const { source, ref, caller } = of
  const { code, reason } = refusal
  const digest = refusalDigest(o.pseudonymKey, {
    source: source.name,
    series: ref,
    code,
    reason,
    sops: sopsOf(headers),
  })
  const kept = { source: source.name, series: ref, digest, caller, now: o.now() }
  const refused = await inTransaction(o.db, (trx) => quarantine(trx, refusal, kept))
  await flushOutbox(o.db, o.audit)
  return { type: 'refused', refused }
}

/** A series without a volume is closed, unless one of it was registered when it still made one. */
async function close(o: RegisterOptions, key: Sha256, refused: readonly Refusal[]): Promise<void> {
  if ((await knownVolume(o, key)) !== undefined) await o.journal.set(key, 'ACTIVE')
  else await o.journal.set(key, 'QUARANTINED', refused[0]?.code ?? 'MDM_NOT_AN_IMAGE')
}

async function headersOf(
  source: DicomSource,
  ref: SeriesRef,
  signal: AbortSignal,
): Promise<InstanceHeader[]> {
  const headers: InstanceHeader[] = []
  try {
    for await (const header of source.headers(ref, signal)) if (headers.push(header) > MAX_OBJECTS) break
  } catch (error) {
    if (!(error instanceof MdmError) || error.code !== 'MDM_NOT_FOUND') throw error
    return []
  }
  return headers
}

async function knownVolume(
  o: RegisterOptions,
  key: Sha256,
): Promise<{ guid: Guid; latest: Version; digest: Sha256 } | undefined> {
  return await o.db
    .selectFrom('volumes')
    .innerJoin('versions', (join) =>
      join.onRef('versions.guid', '=', 'volumes.guid').onRef('versions.version', '=', 'volumes.latest'),
    )
    .select(['volumes.guid', 'volumes.latest', 'versions.content_digest as digest'])
    .where('volumes.volume_key', '=', key)
    .executeTakeFirst()
}

function keyOf(o: RegisterOptions, { study, series }: SeriesRef, ordinal: number): Sha256 {
  return volumeKey(o.pseudonymKey, { site: o.site, study, series, ordinal })
}
