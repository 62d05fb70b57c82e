/** Values that are shown black and white. */
export interface Window {
  readonly low: number
  readonly high: number
}

const DARKEST = 0.01
const BRIGHTEST = 0.99
/** A value that so many voxels have is the background or padding, and says nothing of the body. */
const BACKGROUND = 0.2
/** Fewer different values are labels, of which none is background. */
const LABELS = 16

/**
 * A window that shows most of what varies: from the first to the ninety-ninth percentile of the values, without the one that
 * fills the background. NaN and infinity are no values.
 */
export function windowOf(values: readonly number[]): Window {
  const sorted = Float64Array.from(values.filter(Number.isFinite)).sort()
  if (sorted.length === 0) return { low: 0, high: 1 }
  const mode = commonest(sorted)
  const hasBackground = mode.count >= BACKGROUND * sorted.length && mode.different > LABELS
  const body = hasBackground ? sorted.filter((v) => v !== mode.value) : sorted
  return percentiles(body) ?? wholeOf(sorted)
}

function percentiles(sorted: Float64Array): Window | undefined {
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))]
  const [low, high] = [at(DARKEST), at(BRIGHTEST)]
  return low !== undefined && high !== undefined && high > low ? { low, high } : undefined
}

function wholeOf(sorted: Float64Array): Window {
  const [low, high] = [sorted[0]!, sorted.at(-1)!]
  return { low, high: high > low ? high : low + 1 }
}

/** The value that most are, how many, and how many different ones there are. */
function commonest(sorted: Float64Array): { value: number; count: number; different: number } {
  let best = { value: Number.NaN, count: 0 }
  let different = 0
  for (let start = 0; start < sorted.length;) {
    let end = start
    while (end < sorted.length && sorted[end] === sorted[start]) end++
    if (end - start > best.count) best = { value: sorted[start]!, count: end - start }
    start = end
    different++
  }
  return { ...best, different }
}
