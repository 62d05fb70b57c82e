import type { Wanted } from './source.ts'

/**
 * What is wanted of each object: frames in ascending order, each once, or all of them (undefined). An object that is named
 * several times is wanted once.
 */
export function framesBySop(wanted: readonly Wanted[]): Map<string, readonly number[] | undefined> {
  const bySop = new Map<string, readonly number[] | undefined>()
  for (const { sop, frames } of wanted) {
    const before = bySop.get(sop)
    const all = frames === undefined || (bySop.has(sop) && before === undefined)
    bySop.set(sop, all ? undefined : [...new Set([...(before ?? []), ...frames])].sort((a, b) => a - b))
  }
  return bySop
}
