import { MdmError } from '@mdm/core/errors'
import { fault, good, warn, type Finding } from '@mdm/core/findings'
import type { Peer } from '@mdm/core/grid/http'
import { acceptRoster, rosterFingerprint, type TrustedRoster } from '@mdm/core/identity/roster'
import { getRosters } from '@mdm/core/wire/common'
import { ADD_ROSTER } from './configuration.ts'

/** Is the accepted roster the one the site has under that number, and the last one? Nothing is accepted here. */
export async function checkLaterRoster(site: Peer, roster: TrustedRoster): Promise<Finding> {
  const name = roster.body.site
  const { seq } = roster.body
  let offered: readonly string[]
  try {
    offered = (await site.call(getRosters, { params: { site: name }, query: { since: seq } })).rosters
  } catch (error) {
    const why = error instanceof MdmError ? error.code : 'MDM_INTERNAL'
    return warn(
      'roster-current',
      name,
      `the site does not say which roster it has: ${why}`,
      'mdm doctor, again',
    )
  }
  const [same, ...later] = offered
  if (same === undefined) return fault('roster-current', name, `the site has no roster ${seq}`, ADD_ROSTER)
  if (same !== roster.jws) {
    const message = `the site's roster ${seq} is another than the one accepted: ${rosterFingerprint(same)} there`
    return fault('roster-current', name, message, ADD_ROSTER)
  }
  let held = roster
  for (const jws of later) {
    try {
      held = await acceptRoster(held, jws)
    } catch {
      const message = `the site has a later roster, which needs your consent: ${later.length} after ${seq}`
      const next = `${ADD_ROSTER}; the fingerprint comes from the site by another way than the roster`
      return warn('roster-current', name, message, next)
    }
  }
  return later.length === 0
    ? good('roster-current', name, `roster ${seq} is the last one`)
    : good('roster-current', name, `roster ${held.body.seq} is there and follows; it is taken when needed`)
}
