import type { InstanceHeader } from '../../dicom/source.ts'

/** Of how many planes a header holds facts, sound or not: the memory that it takes grows with them. */
export function planesHeld({ frameTable, tiles, nuclear }: InstanceHeader): number {
  return Math.max(frameTable?.frames ?? 1, tiles?.count ?? 1, nuclear?.slices.length ?? 1, 1)
}
