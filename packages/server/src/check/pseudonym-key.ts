import { keyServerPeers } from '@mdm/core/access/session'
import { fault, good, warn, type Finding } from '@mdm/core/findings'
import type { Credential } from '@mdm/core/identity/credential'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import { heldShares } from '../register/pseudonyms/held-shares.ts'
import { storedKey } from '../register/pseudonyms/stored-key.ts'
import { readSiteStore } from '../store/read-store.ts'

const WHAT = 'pseudonym-key'
const ON_ITS_MACHINE =
  'mdm-server check keys --config keys.json, on their machines: a key server that lost its store is put back from its backup'

/**
 * How many key servers give their share of the pseudonym key: below m nothing is registered, while gets go on. Each that is asked
 * writes it down.
 */
export async function checkPseudonymKey(
  store: string,
  roster: TrustedRoster,
  credential: Credential,
): Promise<Finding[]> {
  const key = await readSiteStore(store, storedKey).catch(() => null)
  // A store that is not there yet, or is not well, has a finding of its own.
  if (key === null) return []
  if (key === undefined) return [good(WHAT, '', 'the first volume that is registered makes it')]
  const peers = keyServerPeers(roster, credential)
  try {
    const { guid, kid, epoch } = key
    const { held } = await heldShares({ servers: peers, roster, guid }, new AbortController().signal)
    const shares = held.filter(({ manifest }) => manifest.kid === kid && manifest.epoch === epoch).length
    const { m, n } = roster.body
    const message = `${shares} of ${n} key servers give their share of it and ${m} are needed`
    if (shares < m) return [fault(WHAT, '', `${message}: nothing is registered`, ON_ITS_MACHINE)]
    if (shares === n) return [good(WHAT, '', message)]
    const mended = 'it is split again by itself, within ten minutes after all key servers work'
    return [warn(WHAT, '', `${message}; ${mended}`, ON_ITS_MACHINE)]
  } finally {
    await Promise.all(peers.map(({ peer }) => peer.close()))
  }
}
