import { decodeAssociateRq, encodeAssociateAc, type ProposedContext } from './associate-pdu.ts'
import { MessageExchange } from './exchange.ts'
import { dimseError } from './faults.ts'
import { encodeReject, PDU } from './pdu.ts'
import type { AcceptedContext, DimseServerOptions, IncomingAssociation } from './types.ts'
import { APPLICATION_CONTEXT, isStorageClass, isUid, VERIFICATION } from './uids.ts'
import type { UpperLayer } from './upper-layer.ts'

/** Results of a presentation context (PS3.8 9.3.3.2). */
const ACCEPTED = 0
const NO_ABSTRACT_SYNTAX = 3
const NO_TRANSFER_SYNTAX = 4

/** Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 9.3.4). */
const NO_REASON = [1, 1, 1] as const
const APPLICATION_NOT_SUPPORTED = [1, 1, 2] as const
const CALLED_NOT_RECOGNIZED = [1, 1, 7] as const
const VERSION_NOT_SUPPORTED = [1, 2, 2] as const
const CONGESTION = [2, 3, 1] as const

/**
 * Answers an association (PS3.8 7.1).
 *
 * @param o.isFull asked once the request is here, so that a full server says so by the protocol
 * @throws MDM_SOURCE_REFUSED after a rejection was sent | MDM_SOURCE_PROTOCOL | MDM_SOURCE_UNREACHABLE
 */
export async function acceptAssociation(
  layer: UpperLayer,
  o: DimseServerOptions & { maxPdu: number; isFull: () => boolean },
  peer: { peerAddress: string; tlsPeer: string | undefined },
): Promise<{ exchange: MessageExchange; association: IncomingAssociation }> {
  const { type, body } = await layer.receiveControl()
  if (type !== PDU.associateRq) throw dimseError('protocol', 'unexpected PDU before the association')
  const request = decodeAssociateRq(body)
  if (new Set(request.contexts.map(({ id }) => id)).size < request.contexts.length)
    throw dimseError('protocol', 'two presentation contexts with one identifier')
  const { userIdentity } = request
  const association: IncomingAssociation = {
    calling: request.calling,
    called: request.called,
    ...peer,
    userIdentity: userIdentity && {
      user: userIdentity.user,
      ...(userIdentity.password !== undefined && { password: userIdentity.password }),
    },
  }
  const reject = (answer: readonly [result: number, source: number, reason: number], why: string): never => {
    const error = dimseError('rejected', `an association was rejected: ${why}`)
    layer.transport.fail(error, encodeReject(...answer))
    throw error
  }
  if ((request.protocolVersion & 1) === 0) reject(VERSION_NOT_SUPPORTED, 'protocol version')
  if (request.application !== APPLICATION_CONTEXT)
    reject(APPLICATION_NOT_SUPPORTED, 'application context name')
  if (![o.ae].flat().includes(request.called)) reject(CALLED_NOT_RECOGNIZED, 'called AE title not recognized')
  if (o.isFull()) reject(CONGESTION, 'too many associations')
  // one answer for every reason: a stranger learns neither which title nor which address would do
  if (!(await o.authorize(association))) reject(NO_REASON, 'not authorized')

  const answers = request.contexts.map((context) => answer(context, o))
  const accepted = answers.filter(({ result }) => result === ACCEPTED)
  const exchange = new MessageExchange(layer, accepted, request.maxPdu)
  await layer.transport.write([
    encodeAssociateAc({
      called: request.called,
      calling: request.calling,
      contexts: answers,
      maxPdu: o.maxPdu,
      roles: [],
      identityTaken: userIdentity?.responseWanted === true,
    }),
  ])
  return { exchange, association }
}

/** Takes a class we serve in the first transfer syntax that we take: the one the sender has it in, mostly. */
function answer(
  { id, abstractSyntax, transferSyntaxes }: ProposedContext,
  o: DimseServerOptions,
): AcceptedContext & { result: number } {
  const taken =
    abstractSyntax === VERIFICATION ||
    (isUid(abstractSyntax) && (o.acceptsClass ?? isStorageClass)(abstractSyntax))
  const transferSyntax = transferSyntaxes.find((uid) => isUid(uid) && takes(uid, o.transferSyntaxes))
  if (!taken || transferSyntax === undefined) {
    const result = taken ? NO_TRANSFER_SYNTAX : NO_ABSTRACT_SYNTAX
    return { id, abstractSyntax, transferSyntax: transferSyntaxes.find(isUid) ?? '', result }
  }
  return { id, abstractSyntax, transferSyntax, result: ACCEPTED }
}

function takes(uid: string, taken: readonly string[] | undefined): boolean {
  return taken === undefined || taken.includes(uid)
}
