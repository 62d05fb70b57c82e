import { COMMAND, type CommandSet } from './command-set.ts'
import type { MessageExchange } from './exchange.ts'
import { dimseError, isSuccessOrWarning, statusError } from './faults.ts'
import { decodeIdentifier, encodeIdentifier } from './identifier.ts'
import { isPending, response } from './response.ts'
import type { Query } from './types.ts'
import { QUERY_RETRIEVE } from './uids.ts'

/**
 * C-FIND as its user (PS3.7 9.1.2, PS3.4 C.4.1).
 * @throws MDM_SOURCE_REFUSED | MDM_SOURCE_UNREACHABLE by its final status
 */
export async function* find(
  exchange: MessageExchange,
  { model, level, keys }: Query,
): AsyncGenerator<ReadonlyMap<string, string>, void, undefined> {
  const sopClass = QUERY_RETRIEVE[model].find
  const context = exchange.contextOf(sopClass)
  const identifier = encodeIdentifier({ ...keys, '00080052': level }, context.transferSyntax)
  const wanted = new Set(Object.keys(keys))
  const pending = { messageId: exchange.nextMessageId(), responseField: COMMAND.findRsp }
  const request: CommandSet = {
    commandField: COMMAND.findRq,
    messageId: pending.messageId,
    affectedSopClass: sopClass,
    priority: 0,
    hasDataSet: true,
  }
  await exchange.send(context.id, request, [identifier])
  for (;;) {
    const { status, message } = await response(exchange, pending)
    if (!isPending(status)) {
      if (!isSuccessOrWarning(status)) throw findError(status)
      return
    }
    if (message.data === undefined) throw dimseError('protocol', 'a match without an identifier')
    yield decodeIdentifier(await message.data.gather(), context.transferSyntax, wanted)
  }
}

/** A server that is short of resources may have them later; one that cannot process these keys never will. */
function findError(status: number): Error {
  return statusError(
    'C-FIND',
    status,
    status >>> 8 === 0xa7 ? 'MDM_SOURCE_UNREACHABLE' : 'MDM_SOURCE_REFUSED',
  )
}
