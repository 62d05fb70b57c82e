export { sliceVoxels } from './assemble.ts'
export { PROFILE } from './deidentify.ts'
export { planSeries } from './group.ts'
export type { Refusal, SeriesPlan, SliceRow, TableRows, VolumePlan } from './plan.ts'
