import { fault, good, warn, type Finding } from '../findings.ts'
import type { Probe } from './probe.ts'

/** A change of access counts within 5 minutes of its time, and certificates begin 5 minutes early. */
const FAULT_S = 300
const WARN_S = 30

/**
 * Does this machine's clock agree with those of the servers? Where it differs from most, it is this one that is wrong.
 *
 * @param probes what the servers answered
 */
export function checkClock(probes: readonly Probe[]): Finding[] {
  const seen = probes.flatMap(({ url, clockAheadMs }) =>
    clockAheadMs === undefined ? [] : [{ url, seconds: Math.round(clockAheadMs / 1000) }],
  )
  if (seen.length === 0)
    return [warn('clock', '', 'no server answered, so the clock could not be compared', 'timedatectl')]
  const off = seen.filter(({ seconds }) => Math.abs(seconds) > WARN_S)
  if (off.length === 0) return [good('clock', '', `within ${WARN_S} s of ${seen.length} servers`)]
  if (2 * off.length <= seen.length) {
    const next = 'timedatectl set-ntp true, on that machine: tell its operator'
    return off.map(({ url, seconds }) =>
      found(seconds)('clock', url, `its clock is ${ahead(seconds)} this one`, next),
    )
  }
  const middle = off.map(({ seconds }) => seconds).toSorted((a, b) => a - b)[off.length >> 1]!
  const message = `this machine's clock is ${ahead(-middle)} those of ${off.length} of ${seen.length} servers`
  return [found(middle)('clock', '', message, 'timedatectl set-ntp true')]
}

function ahead(seconds: number): string {
  return `${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'}`
}

function found(seconds: number): typeof warn {
  return Math.abs(seconds) > FAULT_S ? fault : warn
}
