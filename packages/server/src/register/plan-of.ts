import { createHash } from 'node:crypto'
import { free } from '@mdm/core/memory'
import type { InstanceHeader, SeriesRef } from '../dicom/source.ts'
import type { SiteQueries } from '../store/site-store.ts'
import { planSeries, type PlanOptions } from '../volume/group.ts'
import type { SeriesPlan } from '../volume/plan.ts'
import type { SeriesJob } from './register-series.ts'

/**
 * The plan of a series that is there. Objects that look like copies of each other are read, for their pixels decide; gaps that were
 * once allowed stay allowed.
 *
 * @throws MDM_SOURCE_UNREACHABLE
 */
export async function planOf(
  o: { readonly db: SiteQueries },
  of: Pick<SeriesJob, 'source' | 'ref' | 'signal' | 'allowGaps'>,
  headers: readonly InstanceHeader[],
  options: Pick<PlanOptions, 'released'>,
): Promise<SeriesPlan> {
  const allowGaps = of.allowGaps === true || (await hadGaps(o.db, of.source.name, of.ref))
  const first = planSeries(headers, { ...options, allowGaps })
  if (first.questioned === undefined) return first
  const digests = await pixelDigests(of, first.questioned)
  return planSeries(headers, { ...options, allowGaps, digests })
}

/** True where somebody allowed gaps when a volume of the series was registered: its header says where its slices are. */
async function hadGaps(db: SiteQueries, source: string, { study, series }: SeriesRef): Promise<boolean> {
  const found = await db
    .selectFrom('versions')
    .innerJoin('volumes', (join) =>
      join.onRef('volumes.guid', '=', 'versions.guid').onRef('volumes.latest', '=', 'versions.version'),
    )
    .select('versions.guid')
    .where('volumes.source', '=', source)
    .where('volumes.study', '=', study)
    .where('volumes.series', '=', series)
    .where('versions.volume', 'like', '%"slicePositions":%')
    .executeTakeFirst()
  return found !== undefined
}

/** SHA-256 over the frames of each object, in their order. */
async function pixelDigests(
  { source, ref, signal }: Pick<SeriesJob, 'source' | 'ref' | 'signal'>,
  sops: readonly string[],
): Promise<Map<string, string>> {
  const hashes = new Map<string, ReturnType<typeof createHash>>()
  for await (const { header, pixels } of source.retrieve(
    ref,
    sops.map((sop) => ({ sop })),
    signal,
  )) {
    const hash = hashes.getOrInsertComputed(header.sop, () => createHash('sha256'))
    hash.update(pixels)
    free(pixels)
  }
  return new Map([...hashes].map(([sop, hash]) => [sop, hash.digest('hex')]))
}
