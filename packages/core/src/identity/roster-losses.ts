import { isBelow } from './dn.ts'
import type { Roster } from './roster.ts'

/**
 * True when a later roster takes something away that the current one gives: a key, a name space, a CA, a service or key server.
 * Going on under the current one would then serve somebody who was shut out.
 */
export function takesAway(current: Roster, next: Roster): boolean {
  const lacks = (now: readonly string[], then: readonly string[]) => now.some((name) => !then.includes(name))
  const keysOf = (roster: Roster) => [
    ...roster.signingKeys.map((k) => k.spki),
    ...roster.services.map((s) => s.spki),
    ...roster.administrators.map((a) => a.spki),
    ...roster.keyServers.flatMap((k) => k.tls.map((t) => t.spki)),
  ]
  if (lacks(keysOf(current), keysOf(next))) return true
  return current.userCas.some(({ certificate, nameSpaces }) => {
    const then = next.userCas.filter((ca) => ca.certificate === certificate).flatMap((ca) => ca.nameSpaces)
    return nameSpaces.some((space) => !then.some((wide) => wide === space || isBelow(space, wide)))
  })
}
