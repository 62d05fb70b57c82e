import { good, warn, type Finding } from '@mdm/core/findings'
import type { Roster } from '@mdm/core/identity/roster'

/**
 * Could one operator, or whoever breaks into one machine, rebuild every key alone? The threshold protects only where no m key
 * servers are in one hand.
 *
 * @param operators who runs each key server, by its id, as far as the site was told
 */
export function checkOperators(
  { keyServers, m, n }: Pick<Roster, 'keyServers' | 'm' | 'n'>,
  operators: Readonly<Record<string, string>> = {},
): Finding[] {
  const machines = keyServers.map(({ url }) => new URL(url).hostname)
  const people = keyServers.map(({ id }) => operators[id])
  const faults = [
    ...quorums(machines, m).map((host) => `on one machine, ${host}`),
    ...quorums(people, m).map((name) => `run by "${name}"`),
  ]
  const next = `have others run key servers, so that nobody has ${m}: "mdm-server init keys" on a machine of theirs`
  return faults.length === 0
    ? [good('operators', '', `no machine and no operator has ${m} of the ${n} key servers`)]
    : faults.map((what) => {
        const message = `${m} or more of the ${n} key servers are ${what}: who has that has every key`
        return warn('operators', '', message, next)
      })
}

/** What stands in a list m times or more. */
function quorums(hands: readonly (string | undefined)[], m: number): string[] {
  return [...new Set(hands)].flatMap((hand) =>
    hand !== undefined && hands.filter((other) => other === hand).length >= m ? [hand] : [],
  )
}
