import type { Vec3 } from '@mdm/core/volume/volume'
import { join } from 'node:path'
import type { Orientation } from '../source.ts'
import { tissueAt, type Tissue } from './head.ts'
import { writeSeries, type SeriesOptions } from './write-series.ts'

export interface PhantomOptions {
  /** makes the UIDs and the noise; the same seed gives the same files */
  seed?: string
  patient?: SeriesOptions['patient']
  ct?: Partial<SeriesOptions>
  mr?: Partial<SeriesOptions>
}

/** Stored values; CT has intercept -1024. */
const CT_VALUES: Readonly<Record<Tissue, number>> = {
  air: 24,
  skin: 1064,
  bone: 2124,
  brain: 1060,
  ventricle: 1030,
  lesion: 1090,
}
const MR_VALUES: Readonly<Record<Tissue, number>> = {
  air: 6,
  skin: 1400,
  bone: 90,
  brain: 900,
  ventricle: 240,
  lesion: 1250,
}
const NOISE = 12

/** 20 degrees about the left-right axis, then 10 degrees about the head-foot axis. */
const OBLIQUE: Orientation = [
  0.9848077530122, 0.1736481776669, 0, -0.1631759111665, 0.9254165783984, 0.3420201433257,
]

const PATIENT = { name: 'DOE^JANE', id: 'PHANTOM-1', birthDate: '19500101', sex: 'F' }

/** What surrounds an examination: all of it identifies, and none of it may leave with the voxels. */
const ORDER = {
  AccessionNumber: 'ACC-20200102-7',
  InstitutionName: 'Phantom General Hospital',
  InstitutionalDepartmentName: 'Phantom Radiology',
  StationName: 'PHANTOMSCAN1',
  ReferringPhysicianName: 'REFERRER^ROSE',
  PerformingPhysicianName: 'PERFORMER^PAUL',
  NameOfPhysiciansReadingStudy: 'RADIOLOGIST^RAY',
  OperatorsName: 'OPERATOR^OLGA',
  StudyDescription: 'Head of a phantom',
}

/** Writes a CT and an oblique MR series of one made-up head and patient into `ct` and `mr` below `dir`, as valid DICOM. */
export async function writePhantoms(dir: string, o: PhantomOptions = {}): Promise<void> {
  const seed = o.seed ?? 'phantom'
  const patient = o.patient ?? PATIENT
  const described = (description: string) => () => ({ ...ORDER, SeriesDescription: description })
  const ct = headSeries('CT', CT_VALUES, {
    columns: 128,
    rows: 128,
    slices: 64,
    spacing: [1.7, 1.7, 2.5],
    bitsStored: 12,
    intercept: -1024,
    seed,
    patient,
    attributes: described('CT HEAD'),
    ...o.ct,
  })
  const mr = headSeries('MR', MR_VALUES, {
    columns: 96,
    rows: 96,
    slices: 48,
    spacing: [2.2, 2.2, 3.2],
    bitsStored: 12,
    orientation: OBLIQUE,
    seed,
    patient,
    attributes: described('MR HEAD'),
    ...o.mr,
  })
  await writeSeries(join(dir, 'ct'), ct)
  await writeSeries(join(dir, 'mr'), mr)
}

/** Fills a grid centred on the head. */
function headSeries(
  modality: 'CT' | 'MR',
  values: Readonly<Record<Tissue, number>>,
  o: Omit<SeriesOptions, 'modality' | 'voxel'>,
): SeriesOptions {
  const [a, b, c, d, e, f] = o.orientation ?? [1, 0, 0, 0, 1, 0]
  const axes: [Vec3, Vec3, Vec3] = [
    [a, b, c],
    [d, e, f],
    [b * f - c * e, c * d - a * f, a * e - b * d],
  ]
  const middle: Vec3 = [(o.columns - 1) / 2, (o.rows - 1) / 2, (o.slices - 1) / 2]
  const point = (index: Vec3): Vec3 =>
    ([0, 1, 2] as const).map((x) =>
      ([0, 1, 2] as const).reduce<number>(
        (sum, n) => sum + (index[n] - middle[n]) * o.spacing[n] * axes[n][x],
        0,
      ),
    ) as Vec3
  const origin = o.origin ?? point([0, 0, 0])
  const noise = noiseOf(o.seed ?? '')
  return { voxel: (i, j, k) => values[tissueAt(point([i, j, k]))] + noise(), ...o, modality, origin }
}

/** Small whole numbers that look random and are the same for the same seed. */
function noiseOf(seed: string): () => number {
  let state = [...seed].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) >>> 0, 1)
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return (state >>> 16) % NOISE
  }
}
