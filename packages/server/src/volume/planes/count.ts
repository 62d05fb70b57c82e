import type { InstanceHeader } from '../../dicom/source.ts'

/** How many planes an object says that it has, sound or not: what it takes to hold and to plan it grows with them. */
export function planeCount({ frames, tiles }: InstanceHeader): number {
  return Math.max(Number.isFinite(frames) ? frames : 1, tiles?.count ?? 1, 1)
}
