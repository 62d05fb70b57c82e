/** Median and quartiles, by linear interpolation between the ordered values. */
export interface Quartiles {
  readonly q1: number
  readonly median: number
  readonly q3: number
}

/** @throws RangeError where there is no value */
export function quartiles(values: readonly number[]): Quartiles {
  if (values.length === 0) throw new RangeError('no value')
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number) => {
    const place = (sorted.length - 1) * share
    const [low, high] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!]
    return low + (high - low) * (place - Math.floor(place))
  }
  return { q1: at(0.25), median: at(0.5), q3: at(0.75) }
}

export const median = (values: readonly number[]): number => quartiles(values).median
