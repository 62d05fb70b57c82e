import { keyServerPeers } from '@mdm/core/access/session'
import { MdmError } from '@mdm/core/errors'
import { fault, good, warn, type Finding } from '@mdm/core/findings'
import type { Peer } from '@mdm/core/grid/http'
import type { Probe } from '@mdm/core/grid/probe'
import type { Credential } from '@mdm/core/identity/credential'
import { openRoster, rosterFingerprint, type TrustedRoster } from '@mdm/core/identity/roster'
import { getRosters } from '@mdm/core/wire/common'
import { probeSettled } from './settled.ts'

/** Where the site's rosters lie, by seq, for commands that give one away. */
export interface SiteRoster {
  readonly roster: TrustedRoster
  readonly file: string
}

/**
 * Asks every key server: does it answer, is it ready, does it hold the site's roster; and how many may still fail.
 *
 * @returns the probes as well, for the clock
 */
export async function checkKeyServers(
  { roster, file }: SiteRoster,
  credential: Credential,
  o: { now: () => Date; patienceMs?: number | undefined },
): Promise<{ findings: Finding[]; probes: Probe[] }> {
  const peers = keyServerPeers(roster, credential)
  try {
    const probes = await probeSettled(
      peers.map(({ peer }) => peer),
      o,
    )
    const trust = `mdm-server keys trust ${file} --fingerprint ${rosterFingerprint(roster.jws)} --config keys.json, on its machine`
    const each = await Promise.all(
      peers.map(async ({ peer }, i) => await checkOne(peer, probes[i]!, { roster, trust })),
    )
    return { probes, findings: [...each.flat(), quorum(roster, each)] }
  } finally {
    await Promise.all(peers.map(({ peer }) => peer.close()))
  }
}

async function checkOne(
  peer: Peer,
  found: Probe,
  o: { roster: TrustedRoster; trust: string },
): Promise<Finding[]> {
  const { url, answers, health, refusal } = found
  if (!answers && refusal?.code === 'MDM_PEER')
    return [
      fault(
        'key-server',
        url,
        'what answers there does not hold the TLS key of the roster, or its certificate has expired',
        'mdm-server check keys --config keys.json, on its machine: ask its operator',
      ),
    ]
  if (!answers)
    return [
      fault(
        'key-server',
        url,
        'it does not answer',
        'systemctl restart mdm-keys, on its machine: ask its operator',
      ),
    ]
  if (refusal?.code === 'MDM_UNAUTHENTICATED')
    return [fault('roster-at-key-server', url, "it does not trust this site's roster", o.trust)]
  if (refusal !== undefined)
    return [fault('key-server', url, `it refuses this site: ${refusal.message}`, refusal.next)]
  const ready =
    health?.status === 'ready'
      ? good('key-server', url, 'it answers and is ready')
      : fault(
          'key-server',
          url,
          `it is not ready: ${health?.reasons.join(', ') ?? 'it does not say why'}`,
          'mdm-server check keys --config keys.json, on its machine: ask its operator',
        )
  return [ready, await sameRoster(peer, o)]
}

async function sameRoster(peer: Peer, o: { roster: TrustedRoster; trust: string }): Promise<Finding> {
  const { site, seq } = o.roster.body
  try {
    const { rosters } = await peer.call(getRosters, { params: { site }, query: {} })
    const newest = rosters.at(-1)
    if (newest === o.roster.jws)
      return good('roster-at-key-server', peer.url, `it holds roster ${seq} of this site`)
    const held = newest === undefined ? 0 : (await openRoster(newest)).body.seq
    const what = held === seq ? `another roster ${seq}` : held === 0 ? 'no roster' : `roster ${held}`
    return fault(
      'roster-at-key-server',
      peer.url,
      `it holds ${what} of this site, which is at ${seq}`,
      o.trust,
    )
  } catch (error) {
    const message = error instanceof MdmError ? error.message : 'it does not tell which roster it holds'
    return fault('roster-at-key-server', peer.url, message, o.trust)
  }
}

/** A key server helps when none of its findings is a fault. */
function quorum({ body: { m, n } }: TrustedRoster, each: readonly (readonly Finding[])[]): Finding {
  const helping = each.filter((findings) => findings.every(({ level }) => level !== 'fault')).length
  const message = `${helping} of ${n} key servers work and ${m} are needed`
  if (helping < m)
    return fault(
      'quorum',
      '',
      `${message}: no volume can be read`,
      `mend ${m - helping} of the key servers named above`,
    )
  if (helping === n)
    return good('quorum', '', `${message}: ${n - m} may fail, and nothing is registered while one is down`)
  const rest = helping === m ? 'no more may fail' : `${helping - m} more may fail`
  return warn(
    'quorum',
    '',
    `${message}: ${rest}, and nothing is registered`,
    'mend the key servers named above',
  )
}
