import type { Chain } from '@mdm/core/acl/statement'
import { MdmError } from '@mdm/core/errors'
import { newGuid, newKid, type Guid, type Kid, type Sha256, type Version } from '@mdm/core/names'
import type { RegisteredVolume } from '@mdm/core/wire/register'
import type { AuditCaller } from '../audit/audit.ts'
import type { DicomSource, SeriesRef } from '../dicom/source.ts'
import type { VolumePlan } from '../volume/plan.ts'
import { profileOf } from '../volume/profile.ts'
import { dropOthers, isWhole, policyOf, recalled } from './bind.ts'
import { commit, type Sealed } from './commit.ts'
import { contentDigest } from './fingerprints.ts'
import { notReady, putShares, waitingFor } from './key-servers.ts'
import { sealNote } from './note.ts'
import { flushOutbox } from './outbox.ts'
import { knownVolume, markReturned, type KnownVolume } from './presence.ts'
import type { PseudonymKeys } from './pseudonyms/derive.ts'
import { pseudonymousTables } from './pseudonyms/rows.ts'
import { isFound, isRecalling, keyListOf } from './recall.ts'
import type { InFlight, RegisterOptions } from './register-series.ts'
import { foundLists, makeKey } from './seal.ts'

/** What became of one volume that a series makes. */
export type VolumeOutcome =
  | { readonly type: 'registered'; readonly volume: RegisteredVolume }
  | { readonly type: 'already' | 'returned'; readonly guid: Guid }
  | { readonly type: 'waiting'; readonly message: string }

/** A volume as the headers of today give it. */
export interface NewVolume {
  readonly source: DicomSource
  readonly ref: SeriesRef
  readonly caller: AuditCaller
  readonly signal: AbortSignal
  readonly key: Sha256
  readonly plan: VolumePlan
}

/** J3 to J7 for one volume, which the journal has. One with the content that is registered is known, or has come back. */
export async function registerVolume(
  o: RegisterOptions,
  inFlight: InFlight,
  of: NewVolume,
): Promise<VolumeOutcome> {
  const known = await knownVolume(o.db, of.key)
  if (known?.digest === contentDigest(of.plan)) {
    if (known.goneSince !== null) await markReturned(o, known, of)
    await o.journal.set(of.key, 'ACTIVE')
    await finish(o, of.key)
    return { type: known.goneSince === null ? 'already' : 'returned', guid: known.guid }
  }
  if (await isRecalling(o.db)) return await wait(o, of.key, 'to hear what was registered since the backup')
  const down = await notReady(o.keyServers(), of.signal)
  if (down.length > 0) return await wait(o, of.key, `for ${waitingFor(down)}`)
  const keys = await o.pseudonyms.keys(of.signal).catch((error: unknown) => {
    if (error instanceof MdmError && error.code === 'MDM_WAITING') return error.message
    throw error
  })
  if (typeof keys === 'string') return await wait(o, of.key, keys)
  return await registerContent(o, inFlight, { ...of, plan: withPseudonyms(o, of, keys) }, known)
}

/** The plan as it is stored: under the profile of today, and with what stands for patient, UIDs and days. */
export function withPseudonyms(
  o: Pick<RegisterOptions, 'retained'>,
  { plan, ref }: Pick<NewVolume, 'plan' | 'ref'>,
  keys: PseudonymKeys,
): VolumePlan {
  const profile = profileOf(o.retained)
  return { ...plan, profile, tables: pseudonymousTables(plan.tables, keys, { ...ref, profile }) }
}

/** J3 to J7 for a volume, or a version of it, that this store does not have. */
async function registerContent(
  o: RegisterOptions,
  inFlight: InFlight,
  of: NewVolume,
  known: KnownVolume | undefined,
): Promise<VolumeOutcome> {
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

async function seal(o: RegisterOptions, of: NewVolume, name: Naming): Promise<VolumeOutcome> {
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
    if (missing.length > 0) return await wait(o, of.key, `for ${waitingFor(missing)}`)
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
): Promise<VolumeOutcome> {
  const { key, ref, caller, plan, source } = of
  const { guid, version, kid, before, manifest } = name
  const { foundings, keyList } = made ?? (await listsOf(o, name, of.signal))
  const sealed = {
    guid,
    version,
    kid,
    before,
    manifest,
    key,
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

async function wait(o: RegisterOptions, key: Sha256, what: string): Promise<VolumeOutcome> {
  await o.journal.set(key, 'WAITING', 'MDM_WAITING')
  return { type: 'waiting', message: `waiting ${what}` }
}
