import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  associate,
  QUERY_RETRIEVE,
  serveDimse,
  VERIFICATION,
  type Association,
  type DimsePeer,
  type DimseServer,
  type DimseServerOptions,
  type Proposal,
  type ReceivedObject,
  type RetrieveRequest,
  type SubOperations,
} from '@mdm/server/dicom/dimse/index'
import type { Test } from 'tap'
import type { ScriptedObject } from '../../../fixtures/scripted-objects.ts'

export const ELE = '1.2.840.10008.1.2.1'
export const ILE = '1.2.840.10008.1.2'
export const MR = '1.2.840.10008.5.1.4.1.1.4'
export const CT = '1.2.840.10008.5.1.4.1.1.2'

/** What a source proposes: query and retrieve in both ways of writing identifiers, and classes to come back. */
export const RETRIEVE: readonly Proposal[] = [
  { abstractSyntax: VERIFICATION, transferSyntaxes: [ILE] },
  { abstractSyntax: QUERY_RETRIEVE.study.find, transferSyntaxes: [ELE, ILE] },
  { abstractSyntax: QUERY_RETRIEVE.study.get, transferSyntaxes: [ELE, ILE] },
  { abstractSyntax: QUERY_RETRIEVE.study.move, transferSyntaxes: [ELE, ILE] },
  { abstractSyntax: MR, transferSyntaxes: [ELE], scpRole: true },
]
export const STORE: readonly Proposal[] = [
  { abstractSyntax: VERIFICATION, transferSyntaxes: [ILE] },
  { abstractSyntax: MR, transferSyntaxes: [ELE] },
]

export function peerAt(port: number, o: Partial<DimsePeer> = {}): DimsePeer {
  return { host: '127.0.0.1', port, calledAe: 'CALLED', callingAe: 'CALLER', ...o }
}

/** An association that ends with the test. */
export async function open(
  t: Test,
  port: number,
  proposals: readonly Proposal[] = RETRIEVE,
  o: Partial<DimsePeer> = {},
  signal?: AbortSignal,
): Promise<Association> {
  const association = await associate(peerAt(port, o), proposals, signal)
  t.teardown(() => association.abort())
  return association
}

export interface Kept {
  sopClass: string
  sop: string
  transferSyntax: string
  data: Buffer
}

/** A provider on a free port that keeps what it gets. */
export async function listen(
  t: Test,
  o: Partial<DimseServerOptions> = {},
): Promise<DimseServer & { kept: Kept[]; faults: string[] }> {
  const kept: Kept[] = []
  const faults: string[] = []
  const server = await serveDimse({
    host: '127.0.0.1',
    port: 0,
    ae: 'CALLED',
    authorize: () => true,
    async onStore(object) {
      kept.push(await keep(object))
      return 0
    },
    onFault: (error) => faults.push(String(error.details['dimse'])),
    ...o,
  })
  t.teardown(() => server.close())
  return { ...server, kept, faults }
}

export async function keep({ chunks, ...names }: ReceivedObject): Promise<Kept> {
  return { ...names, data: await gather(chunks) }
}

export async function gather(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return Buffer.concat(parts)
}

/** A TCP server that does with a connection what a test wants. */
export async function tcpServer(t: Test, serve: (socket: Socket) => unknown): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    serve(socket)
    // one that is not read never hears that the other side went
    socket.resume()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  return (server.address() as AddressInfo).port
}

/** Waits until something is so, half a minute at most. */
export async function until(isSo: () => boolean): Promise<boolean> {
  for (const end = performance.now() + 30_000; !isSo() && performance.now() < end;) await sleep(10)
  return isSo()
}

/** Sockets of this process that are open. */
export function openSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap' || name === 'TLSWrap')
    .length
}

/** Made-up objects of one series whose data sets are only bytes to the protocol. */
export function objectsOf(count: number, bytes: number): ScriptedObject[] {
  return Array.from({ length: count }, (_, at) => ({
    ...{ sopClass: MR, sop: `1.2.3.${at + 1}`, transferSyntax: ELE, study: '1.2', series: '1.2.3' },
    data: Buffer.from(Uint8Array.from({ length: bytes }, (_, n) => (n * 31 + at) & 255)),
    keys: { '00080060': 'MR', '00200013': String(at + 1) },
  }))
}

/** Everything that a C-GET brings. */
export async function getAll(
  association: Association,
  request: RetrieveRequest,
): Promise<{ objects: Map<string, Buffer>; order: string[]; counters: SubOperations }> {
  const objects = new Map<string, Buffer>()
  const order: string[] = []
  const running = association.get(request)
  for (;;) {
    const next = await running.next()
    if (next.done === true) return { objects, order, counters: next.value }
    order.push(next.value.sop)
    objects.set(next.value.sop, await gather(next.value.chunks))
  }
}
