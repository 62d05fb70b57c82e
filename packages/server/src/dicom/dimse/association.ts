import { MdmError } from '@mdm/core/errors'
import type { MessageExchange } from './exchange.ts'
import { dimseError } from './faults.ts'
import { encodeAbort } from './pdu.ts'
import { get, move } from './retrieve.ts'
import { find } from './query.ts'
import { store } from './storage.ts'
import type { AcceptedContext, Association } from './types.ts'
import { echo } from './verification.ts'

/** An association that was accepted, as its user sees it: one operation at a time, and none after a fault. */
export function openAssociation(
  exchange: MessageExchange,
  o: { peerMaxPdu: number; associationMs: number; onEnd: () => void },
): Association {
  const { layer, contexts } = exchange
  const { transport } = layer
  let isBusy = false

  /** A fault in the middle of an operation leaves nothing to build on: the peer is told, and the socket goes. */
  const operate = async <T>(operation: () => Promise<T>): Promise<T> => {
    begin()
    try {
      return await operation()
    } catch (error) {
      endAfter(error)
      throw error
    } finally {
      isBusy = false
    }
  }
  async function* stream<T, R>(
    operation: () => AsyncGenerator<T, R, undefined>,
  ): AsyncGenerator<T, R, undefined> {
    begin()
    let isFinished = false
    try {
      const result = yield* operation()
      isFinished = true
      return result
    } catch (error) {
      isFinished = true
      endAfter(error)
      throw error
    } finally {
      // the reader left early: what is on its way has no taker
      if (!isFinished) abort()
      isBusy = false
    }
  }
  const begin = (): void => {
    if (isBusy) throw new MdmError('MDM_INTERNAL', 'a second operation on one association')
    isBusy = true
  }
  const endAfter = (error: unknown): void => {
    if (leavesUsable(error)) return
    const source = error instanceof MdmError && error.details['dimse'] === 'protocol' ? 2 : 0
    transport.fail(error as Error, encodeAbort(source, 0))
  }
  const abort = (): void => {
    transport.fail(dimseError('closed', 'the association was aborted on this side'), encodeAbort(0, 0))
  }
  void transport.closed.then(o.onEnd)

  return {
    accepted: contexts as AcceptedContext[],
    peerMaxPdu: o.peerMaxPdu,
    get isOpen() {
      return transport.isOpen
    },
    echo: () => operate(() => echo(exchange)),
    find: (query) => stream(() => find(exchange, query)),
    get: (request) => stream(() => get(exchange, request)),
    move: (request) => operate(() => move(exchange, request)),
    store: (object) => operate(() => store(exchange, object)),
    async release() {
      if (!transport.isOpen) return
      begin()
      // what was asked for is done: however the peer says good-bye changes nothing
      const late = 'the peer did not answer the release'
      await transport
        .within(o.associationMs, 'association-timeout', late, () => layer.release())
        .catch(() => {})
      transport.fail(dimseError('closed', 'the association was released'))
      await transport.closed
      isBusy = false
    },
    abort,
  }
}

/** True when the operation came to its end, though not the one that was wished. */
function leavesUsable(error: unknown): boolean {
  return error instanceof MdmError && ['status', 'no-context'].includes(String(error.details['dimse']))
}
