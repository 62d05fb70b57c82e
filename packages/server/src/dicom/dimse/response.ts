import type { Message, MessageExchange } from './exchange.ts'
import { dimseError } from './faults.ts'

/** A request is out; its responses are being waited for. */
export interface Pending {
  messageId: number
  responseField: number
}

/** The next message, which must answer the request. @throws MDM_SOURCE_PROTOCOL */
export async function response(
  exchange: MessageExchange,
  pending: Pending,
): Promise<{ status: number; message: Message }> {
  const message = await received(exchange)
  return { status: statusOf(message, pending), message }
}

/** The next message; a release while an operation is under way is an end too early. */
export async function received(exchange: MessageExchange): Promise<Message> {
  const message = await exchange.receive()
  if (message === undefined)
    throw dimseError('closed', 'the peer asked to release in the middle of an operation')
  return message
}

/** Status of a response to this request and no other. @throws MDM_SOURCE_PROTOCOL */
export function statusOf({ command }: Message, { messageId, responseField }: Pending): number {
  if (command.commandField !== responseField || command.respondedTo !== messageId)
    throw dimseError('protocol', 'a response to something that was not asked')
  if (command.status === undefined) throw dimseError('protocol', 'a response without a status')
  return command.status
}

/** FF01 warns of optional keys that were not looked at (PS3.4 C.4.1.1.4). */
export function isPending(status: number): boolean {
  return status === 0xff00 || status === 0xff01
}
