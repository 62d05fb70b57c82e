import type { DicomSource, SeriesRef } from '@mdm/server/dicom/source'
import { sliceVoxels } from '@mdm/server/volume/assemble'
import { planSeries } from '@mdm/server/volume/group'
import type { SeriesPlan, VolumePlan } from '@mdm/server/volume/plan'

/** The plan of a source that holds one series. */
export async function planOnly(source: DicomSource): Promise<{ ref: SeriesRef; plan: SeriesPlan }> {
  const refs = await source.series()
  if (refs.length !== 1) throw new Error(`${refs.length} series where one was meant`)
  return { ref: refs[0]!, plan: planSeries(await collect(source.headers(refs[0]!))) }
}

/** The whole NRRD plaintext of a plan, in pieces: the header, then slice after slice. */
export async function plaintextOf(source: DicomSource, ref: SeriesRef, plan: VolumePlan): Promise<Buffer[]> {
  const pieces: Buffer[] = [plan.header]
  const wanted = plan.slices.map(({ sop, frame = 0 }) => ({ sop, frames: [frame] }))
  for await (const frame of source.retrieve(ref, wanted)) {
    const rows = plan.slices.filter((row) => row.sop === frame.header.sop && (row.frame ?? 0) === frame.frame)
    for (const row of rows) pieces[row.index + 1] = sliceVoxels(frame, row, plan.volume)
  }
  return pieces
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}
