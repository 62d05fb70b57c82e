import { COMMAND } from './command-set.ts'
import type { MessageExchange } from './exchange.ts'
import { statusError } from './faults.ts'
import { response } from './response.ts'
import { VERIFICATION } from './uids.ts'

/** C-ECHO as its user (PS3.7 9.1.5, PS3.4 annex A). @throws MDM_SOURCE_UNREACHABLE when the status is not Success */
export async function echo(exchange: MessageExchange): Promise<void> {
  const context = exchange.contextOf(VERIFICATION)
  const pending = { messageId: exchange.nextMessageId(), responseField: COMMAND.echoRsp }
  await exchange.send(context.id, {
    commandField: COMMAND.echoRq,
    messageId: pending.messageId,
    affectedSopClass: VERIFICATION,
    hasDataSet: false,
  })
  const { status } = await response(exchange, pending)
  if (status !== 0) throw statusError('C-ECHO', status, 'MDM_SOURCE_UNREACHABLE')
}
