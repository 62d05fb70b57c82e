import type { Attributes } from '@mdm/server/dicom/dcmjs/write-object'
import { writeSeries, type SeriesOptions, type WrittenSeries } from '@mdm/server/dicom/dcmjs/write-series'
import { folderSource } from '@mdm/server/dicom/sources/folder'
import type { DicomSource } from '@mdm/server/dicom/source'
import type { SeriesPlan } from '@mdm/server/volume/plan'
import { planOnly } from './plaintext.ts'

/** A CT of six slices of 4 x 3 pixels, each pixel another value; what is given replaces it. */
export function small(o: Partial<SeriesOptions> = {}): SeriesOptions {
  return {
    modality: 'CT',
    columns: 4,
    rows: 3,
    slices: 6,
    spacing: [0.5, 0.75, 2],
    intercept: -1024,
    voxel: (i, j, k) => k * 100 + j * 10 + i,
    ...o,
  }
}

/** Writes a series and plans it from the folder. */
export async function planned(
  dir: string,
  o: Partial<SeriesOptions> = {},
): Promise<{ source: DicomSource; written: WrittenSeries; plan: SeriesPlan }> {
  const written = await writeSeries(dir, small(o))
  const source = folderSource('generated', dir)
  return { source, written, plan: (await planOnly(source)).plan }
}

/** Attributes for one slice only. */
export function only(slice: number, attributes: Attributes): SeriesOptions['attributes'] {
  return (k) => (k === slice ? attributes : {})
}

/** A position z mm up an axial stack. */
export function at(z: number, x = 0, y = 0): Attributes {
  return { ImagePositionPatient: [x, y, z].map((mm) => mm.toFixed(3)) }
}

/** Code and number of objects of each refusal. */
export function refusals(plan: SeriesPlan): [string, number][] {
  return plan.refused.map(({ code, instances }) => [code, instances])
}
