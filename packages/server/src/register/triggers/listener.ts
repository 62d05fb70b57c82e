import { BlockList, isIPv4 } from 'node:net'
import { MdmError } from '@mdm/core/errors'
import type { DimseServerOptions, IncomingAssociation } from '../../dicom/dimse/index.ts'
import type { Arrivals } from '../../dicom/sources/arrivals.ts'
import { readObjectHeader } from '../../dicom/sources/read-objects.ts'
import type { Notices } from './notices.ts'

/** Statuses of a C-STORE (PS3.4 B.2.3). */
const SUCCESS = 0x0000
const OUT_OF_RESOURCES = 0xa700
const CANNOT_UNDERSTAND = 0xc000

/** Notices of one source beyond which a sender is told to try later. */
const MAX_WAITING = 100_000

/** Who may send us hints about a source. */
export interface Pusher {
  readonly source: string
  /** application entity title it calls by */
  readonly ae: string
  readonly addresses: readonly string[]
  /** SHA-256 (hex) of its certificate; any below the CA where absent */
  readonly certificates?: readonly string[] | undefined
}

/** What is not as it was agreed: all that is written down of a stranger. */
export type Unknown = 'address' | 'calling-ae' | 'certificate' | 'ambiguous' | 'association' | 'protocol'

/**
 * Whose association this is.
 *
 * @returns the one source whose sender it is, or what keeps it from being so
 */
export function pusherOf(
  pushers: readonly Pusher[],
  association: Pick<IncomingAssociation, 'peerAddress' | 'calling' | 'tlsPeer'>,
): { source: string } | { unknown: Unknown } {
  const near = pushers.filter(({ addresses }) => includesAddress(addresses, association.peerAddress))
  if (near.length === 0) return { unknown: 'address' }
  const named = near.filter((pusher) => pusher.ae === association.calling)
  if (named.length === 0) return { unknown: 'calling-ae' }
  const certified = named.filter(
    ({ certificates }) => certificates === undefined || certificates.includes(association.tlsPeer ?? ''),
  )
  if (certified.length === 0) return { unknown: 'certificate' }
  const [pusher, ...others] = certified
  return others.length > 0 ? { unknown: 'ambiguous' } : { source: pusher!.source }
}

/**
 * What the C-STORE listener does: an object that comes from the sender of a source is a hint that its series has changed there.
 * Only the UIDs of its header are used; its pixels pass by. Success is answered when the notice is on the disk. What a retrieval
 * of ours asked the sender for (C-MOVE) goes there and is no hint.
 *
 * @param o `refused` writes a stranger down
 */
export function createListener(o: {
  readonly notices: Notices
  readonly pushers: readonly Pusher[]
  readonly arrivals?: Pick<Arrivals, 'take'> | undefined
  readonly refused: (unknown: Unknown) => Promise<void>
}): Pick<DimseServerOptions, 'authorize' | 'onStore' | 'onFault'> {
  const { notices, pushers } = o
  // A stranger is refused whether or not that can be written down.
  const refused = (unknown: Unknown): Promise<void> => o.refused(unknown).catch(() => undefined)
  let rejected = 0
  return {
    async authorize(association) {
      const found = pusherOf(pushers, association)
      if ('source' in found) return true
      await refused(found.unknown)
      rejected++
      return false
    },

    onFault({ details: { dimse } }) {
      if (dimse === 'tls') void refused('certificate')
      else if (dimse === 'protocol') void refused('protocol')
      // One that authorize() rejected is written down; the others call us by another title, or are too many.
      else if (dimse === 'rejected' && rejected-- <= 0) {
        rejected = 0
        void refused('association')
      }
    },

    async onStore(object, association) {
      const found = pusherOf(pushers, association)
      if (!('source' in found)) return CANNOT_UNDERSTAND
      const { source } = found
      const taken = o.arrivals?.take(object, source)
      if (taken !== undefined) return await taken
      const { transferSyntax, chunks } = object
      try {
        const { study, series } = await readObjectHeader({ transferSyntax, dataSet: chunks })
        if (notices.count(source) >= MAX_WAITING) return OUT_OF_RESOURCES
        await notices.note('listener', [{ source, ref: { study, series } }])
        return SUCCESS
      } catch (error) {
        return error instanceof MdmError && error.code === 'MDM_STORE' ? OUT_OF_RESOURCES : CANNOT_UNDERSTAND
      }
    },
  }
}

/** Compares addresses, not their spelling: ::ffff:192.0.2.1 is 192.0.2.1. */
function includesAddress(addresses: readonly string[], address: string): boolean {
  const list = new BlockList()
  for (const known of addresses) list.addAddress(known, family(known))
  return list.check(address, family(address))
}

function family(address: string): 'ipv4' | 'ipv6' {
  return isIPv4(address) ? 'ipv4' : 'ipv6'
}
