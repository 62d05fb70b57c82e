import { COMMAND, type CommandSet } from './command-set.ts'
import type { Message, MessageExchange } from './exchange.ts'
import { dimseError } from './faults.ts'
import { response } from './response.ts'
import type { ReceivedObject, SentObject } from './types.ts'

/** C-STORE as its user (PS3.7 9.1.1, PS3.4 annex B). @returns the status, whatever it is */
export async function store(exchange: MessageExchange, object: SentObject): Promise<number> {
  const context = exchange.contextOf(object.sopClass, object.transferSyntax)
  const pending = { messageId: exchange.nextMessageId(), responseField: COMMAND.storeRsp }
  const request: CommandSet = {
    commandField: COMMAND.storeRq,
    messageId: pending.messageId,
    affectedSopClass: object.sopClass,
    affectedSop: object.sop,
    priority: 0,
    hasDataSet: true,
  }
  await exchange.send(context.id, request, object.chunks)
  return (await response(exchange, pending)).status
}

/** An object of a C-STORE-RQ. @throws MDM_SOURCE_PROTOCOL */
export function objectOf({ command, context, data }: Message): ReceivedObject {
  const { affectedSopClass: sopClass, affectedSop: sop, messageId } = command
  if (sopClass === undefined || sop === undefined || messageId === undefined || data === undefined)
    throw dimseError('protocol', 'a C-STORE that does not say what it stores')
  return { sopClass, sop, transferSyntax: context.transferSyntax, chunks: data }
}

/** C-STORE-RSP (PS3.7 9.3.1.2). */
export function storeResponse(request: CommandSet, status: number): CommandSet {
  return {
    commandField: COMMAND.storeRsp,
    respondedTo: request.messageId!,
    ...(request.affectedSopClass !== undefined && { affectedSopClass: request.affectedSopClass }),
    ...(request.affectedSop !== undefined && { affectedSop: request.affectedSop }),
    status,
    hasDataSet: false,
  }
}
