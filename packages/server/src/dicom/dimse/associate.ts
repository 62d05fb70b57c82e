import { MdmError } from '@mdm/core/errors'
import { decodeAssociateAc, encodeAssociateRq, type AssociateAccept } from './associate-pdu.ts'
import { openAssociation } from './association.ts'
import { connect } from './connect.ts'
import { MessageExchange } from './exchange.ts'
import { dimseError, rejectError } from './faults.ts'
import { encodeAbort, PDU } from './pdu.ts'
import type { AcceptedContext, Association, DimsePeer, Proposal, Timeouts } from './types.ts'
import { UpperLayer } from './upper-layer.ts'

export const DEFAULT_TIMEOUTS: Readonly<Timeouts> = {
  connectMs: 10_000,
  associationMs: 10_000,
  inactivityMs: 60_000,
}
export const DEFAULT_MAX_PDU = 64 << 10
/** Identifiers of presentation contexts are the odd numbers of one byte (PS3.8 9.3.2.2). */
export const MAX_PROPOSALS = 128

/**
 * Opens an association (PS3.8 7.1).
 *
 * Propose storage classes with one transfer syntax each: a server that may choose among several chooses one it has to
 * transcode to, and some cannot.
 *
 * @param signal ends the association at any time with an A-ABORT; what waits then throws its reason
 * @throws MDM_SOURCE_UNREACHABLE | MDM_SOURCE_REFUSED rejected, no context accepted or no certificate we know |
 *         MDM_SOURCE_PROTOCOL; `details.dimse` is the fault by name
 */
export async function associate(
  peer: DimsePeer,
  proposals: readonly Proposal[],
  signal?: AbortSignal,
): Promise<Association> {
  if (proposals.length === 0 || proposals.length > MAX_PROPOSALS)
    throw new MdmError('MDM_INTERNAL', 'an association proposes 1 to 128 presentation contexts')
  const timeouts = { ...DEFAULT_TIMEOUTS, ...peer.timeouts }
  const maxPdu = peer.maxPdu ?? DEFAULT_MAX_PDU
  const contexts = proposals.map((proposal, index) => ({ ...proposal, id: 2 * index + 1 }))
  const request = encodeAssociateRq({
    called: peer.calledAe,
    calling: peer.callingAe,
    contexts,
    maxPdu,
    roles: rolesOf(proposals),
    userIdentity: peer.userIdentity,
  })
  const transport = await connect(peer, timeouts, signal)
  const onAbort = (): void => transport.fail(signal!.reason as Error, encodeAbort(0, 0))
  signal?.addEventListener('abort', onAbort, { once: true })
  const onEnd = (): void => signal?.removeEventListener('abort', onAbort)
  try {
    signal?.throwIfAborted()
    const layer = new UpperLayer(transport, maxPdu)
    const late = `the peer did not answer the association within ${timeouts.associationMs} ms`
    const accept = await transport.within(timeouts.associationMs, 'association-timeout', late, async () => {
      await transport.write([request])
      return answer(layer)
    })
    const accepted = acceptedOf(contexts, accept)
    if (accepted.length === 0)
      throw dimseError('no-context', 'the peer accepted none of the presentation contexts')
    const exchange = new MessageExchange(layer, accepted, accept.maxPdu)
    return openAssociation(exchange, {
      peerMaxPdu: accept.maxPdu,
      associationMs: timeouts.associationMs,
      onEnd,
    })
  } catch (error) {
    transport.fail(error as Error, encodeAbort(0, 0))
    onEnd()
    throw error
  }
}

async function answer(layer: UpperLayer): Promise<AssociateAccept> {
  const { type, body } = await layer.receiveControl()
  if (type === PDU.associateAc) return decodeAssociateAc(body)
  if (type === PDU.associateRj) throw rejectError(body[1]!, body[2]!, body[3]!)
  throw dimseError('protocol', 'unexpected PDU in answer to an association')
}

/** We are the SCU of every class, and the SCP as well of those that a C-GET brings. */
function rolesOf(proposals: readonly Proposal[]) {
  const classes = new Set(proposals.flatMap((one) => (one.scpRole === true ? [one.abstractSyntax] : [])))
  return [...classes].map((sopClass) => ({ sopClass, scu: true, scp: true }))
}

/** What was accepted, of what was proposed; an answer to anything else is passed over. */
function acceptedOf(
  proposed: readonly (Proposal & { id: number })[],
  { contexts }: AssociateAccept,
): AcceptedContext[] {
  return proposed.flatMap(({ id, abstractSyntax, transferSyntaxes }) => {
    const answered = contexts.find((context) => context.id === id)
    if (answered?.result !== 0 || !transferSyntaxes.includes(answered.transferSyntax)) return []
    return [{ id, abstractSyntax, transferSyntax: answered.transferSyntax }]
  })
}
