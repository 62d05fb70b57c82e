import { COMMAND } from './command-set.ts'
import type { Message, MessageExchange } from './exchange.ts'
import { dimseError } from './faults.ts'
import { RELEASE_RP } from './pdu.ts'
import { objectOf, storeResponse } from './storage.ts'
import type { DimseServerOptions, IncomingAssociation } from './types.ts'
import { VERIFICATION } from './uids.ts'

const UNRECOGNIZED_OPERATION = 0x0211
const CLASS_MISMATCH = 0xa900
const CANNOT_UNDERSTAND = 0xc000
const RESPONSE = 0x8000

/**
 * Serves C-STORE and C-ECHO on an accepted association until its user releases it (PS3.7 9.1.1, 9.1.5).
 * @throws what ended the association otherwise
 */
export async function provide(
  exchange: MessageExchange,
  association: IncomingAssociation,
  o: DimseServerOptions,
): Promise<void> {
  for (;;) {
    const message = await exchange.receive()
    if (message === undefined) {
      exchange.layer.transport.fail(dimseError('closed', 'the association was released'), RELEASE_RP)
      return
    }
    const { commandField, messageId, affectedSopClass } = message.command
    if (commandField === COMMAND.cancelRq) continue
    if (messageId === undefined || commandField >= RESPONSE)
      throw dimseError('protocol', 'a response to something that was not asked')
    if (commandField === COMMAND.storeRq) {
      const status = await stored(message, association, o)
      await message.data?.drain()
      await exchange.send(message.context.id, storeResponse(message.command, status))
      continue
    }
    const status =
      commandField === COMMAND.echoRq ? ((await o.onEcho?.(association)) ?? 0) : UNRECOGNIZED_OPERATION
    await message.data?.drain()
    await exchange.send(message.context.id, {
      commandField: commandField | RESPONSE,
      respondedTo: messageId,
      ...(affectedSopClass !== undefined && { affectedSopClass }),
      status,
      hasDataSet: false,
    })
  }
}

/** Status of a C-STORE: Success comes from `onStore` alone. */
async function stored(message: Message, association: IncomingAssociation, o: DimseServerOptions) {
  const object = objectOf(message)
  // what was agreed on is the class of the context; a message may not bring another under its cover
  const { abstractSyntax } = message.context
  if (object.sopClass !== abstractSyntax || abstractSyntax === VERIFICATION) return CLASS_MISMATCH
  try {
    return await o.onStore(object, association)
  } catch {
    return CANNOT_UNDERSTAND
  }
}
