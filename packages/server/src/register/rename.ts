import type { Sha256 } from '@mdm/core/names'
import { inTransaction } from '../store/transaction.ts'
import type { VolumePlan } from '../volume/plan.ts'
import type { CommitOptions } from './commit.ts'
import { sliceName, sliceNames, volumesOfSeries, type KnownVolume } from './presence.ts'
import type { SeriesRef } from '../dicom/source.ts'

/** Something of a series that has a label, and what it is made of. */
export interface Labelled {
  readonly label: string
  /** names of its slices, or of its members; what is made at one time shares none */
  readonly parts: ReadonlySet<string>
}

/**
 * Which known things are made under another label now. One that is made of the same parts keeps its name; else one that grew, if it
 * is the only one that did into that label: of several, nobody could say which it is.
 *
 * @returns pairs of a known thing and its new label; labels that are in use already change hands never
 */
export function renamings<K extends Labelled & { readonly goneSince: string | null }>(
  known: readonly K[],
  made: readonly Labelled[],
): [K, string][] {
  const taken = new Set(known.map(({ label }) => label))
  const still = new Set(made.map(({ label }) => label))
  const free = made.filter(({ label }) => !taken.has(label))
  const ofPart = new Map(free.flatMap((thing) => [...thing.parts].map((part) => [part, thing] as const)))
  const lost = known.filter(({ label, parts }) => !still.has(label) && parts.size > 0)
  const within = Map.groupBy(lost, ({ parts }) => {
    const [first, ...others] = [...parts].map((part) => ofPart.get(part))
    return others.every((other) => other === first) ? first : undefined
  })
  return free.flatMap((thing): [K, string][] => {
    const candidates = within.get(thing) ?? []
    const same = candidates.filter(({ parts }) => parts.size === thing.parts.size)
    const there = candidates.filter(({ goneSince }) => goneSince === null)
    const [chosen] = [
      ...same.filter((one) => there.includes(one)),
      ...same,
      ...(there.length === 1 ? there : []),
    ]
    return chosen === undefined ? [] : [[chosen, thing.label]]
  })
}

/**
 * Gives registered volumes of a series the labels under which it makes them now, with GUID, key and rights as they were; what is
 * made of them next is `already` or their next version. All in one transaction.
 *
 * @param made keys of the journal, where they were begun, and what they are of
 * @see decision 42
 */
export async function renameVolumes(
  o: CommitOptions,
  ref: SeriesRef,
  made: readonly { readonly key: Sha256; readonly plan: VolumePlan }[],
): Promise<void> {
  const known = await volumesOfSeries(o.db, ref)
  const labels = new Set(known.map(({ label }) => label))
  if (known.length === 0 || made.every(({ plan }) => labels.has(plan.label))) return
  const before: (KnownVolume & Labelled)[] = []
  for (const volume of known) before.push({ ...volume, parts: await sliceNames(o.db, volume) })
  const now = made.map(({ plan: { label, slices } }) => ({
    label,
    parts: new Set(slices.map(sliceName)),
  }))
  const byLabel = new Map(made.map((one) => [one.plan.label, one]))
  const changes = renamings(before, now)
  if (changes.length === 0) return
  await inTransaction(o.db, async (trx) => {
    for (const [{ guid, latest, key: from }, label] of changes) {
      const { key: to, plan } = byLabel.get(label)!
      await trx.updateTable('volumes').set({ label, volume_key: to }).where('guid', '=', guid).execute()
      await trx
        .updateTable('image')
        .set({ volume_label: plan.tables.image['volume_label'] as string | null })
        .where('guid', '=', guid)
        .where('version', '=', latest)
        .execute()
      await o.journal.rename(from, to, trx)
    }
  })
}
