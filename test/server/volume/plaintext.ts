import type { DicomSource, SeriesRef } from '@mdm/server/dicom/source'
import { sliceVoxels } from '@mdm/server/volume/assemble'
import { planSeries } from '@mdm/server/volume/group'
import { wantedOf } from '../../fixtures/wanted.ts'
import type { SeriesPlan, VolumePlan } from '@mdm/server/volume/plan'

/** The plan of a source that holds one series. */
export async function planOnly(source: DicomSource): Promise<{ ref: SeriesRef; plan: SeriesPlan }> {
  const refs = await source.series()
  if (refs.length !== 1) throw new Error(`${refs.length} series where one was meant`)
  return { ref: refs[0]!, plan: planSeries(await collect(source.headers(refs[0]!))) }
}

/** The whole NRRD plaintext of a plan, in pieces: the header, then slice after slice. */
export async function plaintextOf(source: DicomSource, ref: SeriesRef, plan: VolumePlan): Promise<Buffer[]> {
  const rows = new Map(plan.slices.map((row) => [row.sop, row]))
  const pieces: Buffer[] = [plan.header]
  for await (const instance of source.retrieve(ref, wantedOf(rows.keys()))) {
    const row = rows.get(instance.header.sop)!
    pieces[row.index + 1] = sliceVoxels(instance, row, plan.volume)
  }
  return pieces
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}
