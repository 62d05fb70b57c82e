import { fault, good, warn, type Finding } from '@mdm/core/findings'
import type { Probe } from '@mdm/core/grid/probe'

/** Statements count for 5 minutes around their time, and certificates begin 5 minutes early. */
const FAULT_S = 300
const WARN_S = 30

/**
 * Does this machine's clock agree with those of the others? When it differs from most, it is this clock that is wrong.
 *
 * @param probes what the other servers answered
 */
export function checkClock(probes: readonly Probe[]): Finding[] {
  const seen = probes.flatMap(({ url, clockAheadMs }) =>
    clockAheadMs === undefined ? [] : [{ url, seconds: Math.round(clockAheadMs / 1_000) }],
  )
  if (seen.length === 0)
    return [warn('clock', '', 'no other server answered, so the clock could not be compared', 'timedatectl')]
  const off = seen.filter(({ seconds }) => Math.abs(seconds) > WARN_S)
  if (off.length === 0) return [good('clock', '', `within ${WARN_S} s of ${seen.length} other servers`)]
  if (2 * off.length > seen.length) {
    const middle = off.map(({ seconds }) => seconds).toSorted((a, b) => a - b)[Math.floor(off.length / 2)]!
    const by = `${Math.abs(middle)} s ${middle > 0 ? 'behind' : 'ahead of'}`
    const message = `this machine's clock is ${by} ${off.length} of ${seen.length} other servers`
    return [worse(middle)('clock', '', message, 'timedatectl set-ntp true')]
  }
  return off.map(({ url, seconds }) => {
    const message = `its clock is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} this machine's`
    return worse(seconds)(
      'clock',
      url,
      message,
      'timedatectl set-ntp true, on that machine: tell its operator',
    )
  })
}

function worse(seconds: number): typeof warn {
  return Math.abs(seconds) > FAULT_S ? fault : warn
}
