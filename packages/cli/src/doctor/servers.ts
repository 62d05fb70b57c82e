import { keyServerPeers, sitePeer } from '@mdm/core/access/session'
import type { MdmError } from '@mdm/core/errors'
import { fault, good, shellWord, warn, type Finding } from '@mdm/core/findings'
import { probe, type Probe } from '@mdm/core/grid/probe'
import type { Credential } from '@mdm/core/identity/credential'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import { checkClock } from '@mdm/core/grid/clock'
import { ADD_ROSTER } from './configuration.ts'
import { checkLaterRoster } from './later-roster.ts'

/** Do the site and its key servers answer, are they the right ones and ready, and does their time agree with ours? */
export async function checkServers(
  roster: TrustedRoster,
  credential: Credential,
  now: () => Date,
): Promise<Finding[]> {
  const site = sitePeer(roster, credential)
  const keys = keyServerPeers(roster, credential)
  const peers = [site, ...keys.map(({ peer }) => peer)]
  try {
    const [atSite, ...atKeys] = await Promise.all(peers.map((peer) => probe(peer, now)))
    const each = atKeys.map(checkKeyServer)
    return [
      checkSite(atSite!),
      ...(isWell(atSite!) ? [await checkLaterRoster(site, roster)] : []),
      ...each,
      checkQuorum(atKeys, roster.body.m),
      ...checkClock([atSite!, ...atKeys]),
    ]
  } finally {
    await Promise.all(peers.map((peer) => peer.close()))
  }
}

function checkSite(found: Probe): Finding {
  const { url, answers, health, refusal } = found
  if (!answers && refusal?.code === 'MDM_PEER')
    return fault('site', url, 'what answers there does not hold the TLS key of the roster', ADD_ROSTER)
  if (!answers) {
    const next = `curl --insecure ${shellWord(url)}/health shows whether the network lets you through; else tell the site`
    return fault('site', url, 'it does not answer', next)
  }
  const check = 'mdm-server check site --config site.json, on its machine: tell its administrator'
  if (refusal !== undefined)
    return fault('site', url, `it does not accept you: ${refusal.message}`, whoseFault(refusal, check))
  if (health?.status !== 'ready') {
    const why = health?.reasons.join(', ') ?? 'no word of its health'
    return fault('site', url, `it is not ready: ${why}`, check)
  }
  return good('site', url, 'answers, holds the key of the roster, and is ready')
}

/** One that fails is no fault yet: volumes can be opened while m are well. */
function checkKeyServer(found: Probe): Finding {
  const { url, answers, health, refusal } = found
  if (!answers && refusal?.code === 'MDM_PEER')
    return fault('key-server', url, 'what answers there does not hold the TLS key of the roster', ADD_ROSTER)
  if (!answers)
    return warn(
      'key-server',
      url,
      'it does not answer',
      'systemctl restart mdm-keys, on its machine: tell its operator',
    )
  const check = 'mdm-server check keys --config keys.json, on its machine: tell its operator'
  if (refusal !== undefined)
    return warn('key-server', url, `it does not accept you: ${refusal.message}`, whoseFault(refusal, check))
  if (health?.status !== 'ready')
    return warn(
      'key-server',
      url,
      `it is not ready: ${health?.reasons.join(', ') ?? 'no word of its health'}`,
      check,
    )
  return good('key-server', url, 'answers, holds the key of the roster, and is ready')
}

/** What is wrong with a certificate is its owner's to mend, anything else is for who runs the server. @param check mends that */
function whoseFault({ exitCode, next }: MdmError, check: string): string {
  return isOwnFault({ exitCode }) ? `mdm whoami; ${next}` : check
}

function isOwnFault({ exitCode }: Pick<MdmError, 'exitCode'>): boolean {
  return exitCode === 4 || exitCode === 12
}

function checkQuorum(probes: readonly Probe[], m: number): Finding {
  const well = probes.filter(isWell).length
  const mine = probes.find(({ refusal }) => refusal !== undefined && isOwnFault(refusal))?.refusal
  if (well < m && mine !== undefined)
    return warn(
      'quorum',
      '',
      `how many are well is not told to you: ${mine.message}`,
      `${mine.next}; then mdm ping`,
    )
  const count = `${well} of ${probes.length} key servers are well, ${m} are needed to open a volume`
  const away = probes.filter((p) => !isWell(p)).map(({ url }) => url)
  const next = `systemctl restart mdm-keys, on the machines of ${away.join(' and ')}: tell their operators; then mdm ping`
  if (well < m) return fault('quorum', '', `below the threshold: ${count}`, next)
  if (well === m && away.length > 0) return warn('quorum', '', `none more may fail: ${count}`, next)
  return good('quorum', '', `${count}: ${well - m} may still fail`)
}

function isWell({ answers, health }: Probe): boolean {
  return answers && health?.status === 'ready'
}
