import { COMMAND, type CommandSet } from './command-set.ts'
import type { Message, MessageExchange } from './exchange.ts'
import { dimseError, isSuccessOrWarning, statusError } from './faults.ts'
import { encodeIdentifier } from './identifier.ts'
import { isPending, received, statusOf, type Pending } from './response.ts'
import { objectOf, storeResponse } from './storage.ts'
import type { ReceivedObject, RetrieveRequest, SubOperations } from './types.ts'
import { isStorageClass, QUERY_RETRIEVE } from './uids.ts'

/**
 * C-GET as its user (PS3.7 9.1.3, PS3.4 C.4.3): the peer stores the objects back on the same association.
 *
 * @throws MDM_SOURCE_REFUSED also when no context for a storage class was accepted | MDM_SOURCE_INCOMPLETE
 */
export async function* get(
  exchange: MessageExchange,
  request: RetrieveRequest,
): AsyncGenerator<ReceivedObject, SubOperations, undefined> {
  if (!exchange.contexts.some(({ abstractSyntax }) => isStorageClass(abstractSyntax)))
    throw dimseError('no-context', 'the peer accepted no presentation context for any object')
  const pending = await ask(exchange, 'get', request)
  let objects = 0
  for (;;) {
    const message = await received(exchange)
    if (message.command.commandField === COMMAND.storeRq) {
      yield objectOf(message)
      objects++
      await message.data!.drain()
      await exchange.send(message.context.id, storeResponse(message.command, 0))
      continue
    }
    const done = finalCounters('C-GET', message, pending, objects)
    if (done !== undefined) return done
  }
}

/** C-MOVE as its user (PS3.7 9.1.4, PS3.4 C.4.2): the peer stores the objects at `destination`. @throws MDM_SOURCE_INCOMPLETE */
export async function move(
  exchange: MessageExchange,
  request: RetrieveRequest & { destination: string },
): Promise<SubOperations> {
  const pending = await ask(exchange, 'move', request, request.destination)
  for (;;) {
    const done = finalCounters('C-MOVE', await received(exchange), pending, 0)
    if (done !== undefined) return done
  }
}

async function ask(
  exchange: MessageExchange,
  operation: 'get' | 'move',
  o: RetrieveRequest,
  destination?: string,
): Promise<Pending> {
  const sopClass = QUERY_RETRIEVE[o.model ?? 'study'][operation]
  const context = exchange.contextOf(sopClass)
  const keys: Record<string, string> = {
    '00080052': o.level,
    ...(o.patient !== undefined && { '00100020': o.patient }),
    '0020000d': o.study,
    '0020000e': o.series,
    ...(o.sops !== undefined && { '00080018': o.sops.join('\\') }),
  }
  const identifier = encodeIdentifier(keys, context.transferSyntax)
  const messageId = exchange.nextMessageId()
  const request: CommandSet = {
    commandField: COMMAND[`${operation}Rq`],
    messageId,
    affectedSopClass: sopClass,
    priority: 0,
    ...(destination !== undefined && { moveDestination: destination }),
    hasDataSet: true,
  }
  await exchange.send(context.id, request, [identifier])
  return { messageId, responseField: COMMAND[`${operation}Rsp`] }
}

/** What a response says; undefined while the operation goes on. @throws MDM_SOURCE_INCOMPLETE */
function finalCounters(
  operation: string,
  message: Message,
  pending: Pending,
  objects: number,
): SubOperations | undefined {
  const status = statusOf(message, pending)
  if (isPending(status)) return undefined
  const { remaining, completed, failed, warning } = message.command
  const counters = { remaining, completed, failed, warning, received: objects }
  if (!isSuccessOrWarning(status)) throw statusError(operation, status, 'MDM_SOURCE_INCOMPLETE', counters)
  return { ...counters, status }
}
