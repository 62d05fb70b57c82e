import { associate } from '@mdm/server/dicom/dimse/index'
import { Transport } from '@mdm/server/dicom/dimse/transport'
import { encodeAssociateAc } from '@mdm/server/dicom/dimse/associate-pdu'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startScriptedScp } from '../../../fixtures/scripted-scp.ts'
import { ELE, gather, listen, MR, objectsOf, open, peerAt, STORE, tcpServer, until } from './both-ends.ts'

const BIG = objectsOf(1, 8 << 20)
const SERIES = { level: 'SERIES', study: '1.2', series: '1.2.3' } as const

/** A proxy that hands bytes on in pieces of the lengths that `cut` gives. */
async function splitter(
  t: Parameters<typeof tcpServer>[0],
  port: number,
  cut: () => number,
): Promise<number> {
  const forward = async (from: Socket, to: Socket): Promise<void> => {
    for await (const chunk of from as AsyncIterable<Buffer>) {
      for (let at = 0; at < chunk.length;) {
        const piece = chunk.subarray(at, at + cut())
        at += piece.length
        if (!to.write(piece)) await once(to, 'drain')
        await nextTurn()
      }
    }
    to.end()
  }
  return await tcpServer(t, (socket) => {
    const behind = connect({ port, host: '127.0.0.1', noDelay: true }).on('error', () => {})
    socket.setNoDelay(true)
    void forward(socket, behind).catch(() => behind.destroy())
    void forward(behind, socket).catch(() => socket.destroy())
  })
}

t.test('PDUs may be split anywhere: 1 byte at a time, 7, or some odd number', async (t) => {
  const objects = objectsOf(3, 1_501)
  const here = await listen(t)
  const scp = await startScriptedScp(t, { objects })
  let step = 0
  for (const cut of [() => 1, () => 7, () => 1 + ((step += 37) % 700)]) {
    const fetching = await open(t, await splitter(t, scp.port, cut))
    let whole = 0
    for await (const { sop, chunks } of fetching.get(SERIES)) {
      const { data } = objects.find((object) => object.sop === sop)!
      if ((await gather(chunks)).equals(data)) whole++
    }
    t.equal(whole, 3)
    await fetching.release()
    const sending = await open(t, await splitter(t, here.port, cut), STORE)
    for (const object of objects) t.equal(await sending.store({ ...object, chunks: [object.data] }), 0)
    t.ok(here.kept.at(-1)!.data.equals(objects[2]!.data))
    await sending.release()
  }
})

t.test('an object is sent in fragments that the peer takes, whatever pieces it comes in', async (t) => {
  const here = await listen(t, { limits: { maxPdu: 1_001 } })
  const association = await open(t, here.port, STORE)
  t.equal(association.peerMaxPdu, 1_001)
  const { data, ...object } = objectsOf(1, 10_007)[0]!
  const pieces = [
    [data],
    [],
    [data.subarray(0, 0), ...Array.from(data, (_, at) => data.subarray(at, at + 1))],
  ]
  for (const chunks of pieces) {
    t.equal(await association.store({ ...object, chunks }), 0)
    t.ok(here.kept.at(-1)!.data.equals(Buffer.concat(chunks)))
  }
})

t.test('each PDU leaves in one write, and the command with the first part of its data', async (t) => {
  const segments: number[] = []
  const port = await tcpServer(t, (socket) => {
    socket.on('data', (chunk) => segments.push(chunk.length))
    socket.once('data', () => {
      const contexts = [{ id: 3, result: 0, transferSyntax: ELE }]
      const accept = { called: 'CALLED', calling: 'CALLER', contexts, maxPdu: 0, roles: [] }
      socket.write(encodeAssociateAc(accept))
    })
  })
  const association = await associate(peerAt(port), STORE)
  t.teardown(() => association.abort())
  t.equal(segments.length, 1)
  void association
    .store({ ...objectsOf(1, 1_000)[0]!, chunks: [Buffer.alloc(500), Buffer.alloc(500)] })
    .catch(() => {})
  await until(() => segments.length > 1)
  await sleep(50)
  t.equal(segments.length, 2, 'command and data set came as one piece')
  t.ok(segments[1]! > 1_000)
})

t.test('the parts of a PDU go to the system in one call, and each read is acknowledged', async (t) => {
  const calls: number[] = []
  class Counted extends Duplex {
    override _read(): void {}
    override _write(_chunk: Buffer, _: string, done: () => void): void {
      calls.push(1)
      done()
    }
    override _writev(chunks: readonly unknown[], done: () => void): void {
      calls.push(chunks.length)
      done()
    }
    setNoDelay(): void {}
  }
  const socket = new Counted()
  let acknowledged = 0
  const transport = new Transport(socket as unknown as Socket, {
    inactivityMs: 1_000,
    acknowledge: () => acknowledged++,
  })
  await transport.write([Buffer.from('header'), Buffer.from('fragment'), Buffer.from('more')])
  t.same(calls, [3])
  socket.push(Buffer.from('one'))
  socket.push(Buffer.from('two'))
  t.equal((await transport.read(6)).toString(), 'onetwo')
  t.equal(acknowledged, 2)
  transport.fail(new Error('done'))
})

t.test('a slow reader holds the server back: its socket is paused, and memory stays small', async (t) => {
  const scp = await startScriptedScp(t, { objects: BIG })
  const association = await open(t, scp.port)
  const running = association.get(SERIES)
  const { value } = await running.next()
  if (value === undefined || !('chunks' in value)) return t.fail('no object')
  const chunks = value.chunks[Symbol.asyncIterator]()
  let bytes = (await chunks.next()).value.length as number
  const waiting = await standing(received)
  t.ok(waiting < 1 << 20, `${waiting} of 8 MiB were taken, and nothing more is`)
  for (let next; !(next = await chunks.next()).done; bytes += next.value.length);
  t.equal(bytes, 8 << 20)
  t.match((await running.next()).value, { received: 1 })
})

t.test('a slow provider holds the sender back in the same way', async (t) => {
  const go = Promise.withResolvers<void>()
  let first = 0
  const here = await listen(t, {
    async onStore({ chunks }) {
      const bytes = chunks[Symbol.asyncIterator]()
      first = (await bytes.next()).value.length
      await go.promise
      return 0
    },
  })
  const association = await open(t, here.port, STORE)
  let taken = 0
  const source = function* () {
    for (let at = 0; at < 256; at++, taken++) yield BIG[0]!.data.subarray(0, 1 << 16)
  }
  const sending = association.store({ sopClass: MR, sop: '1.2.3', transferSyntax: ELE, chunks: source() })
  await until(() => first > 0)
  const waiting = await standing(() => taken)
  t.ok(waiting < 200, `${waiting} of 256 pieces went out, and the sender waits`)
  go.resolve()
  t.equal(await sending, 0)
})

t.test('the clock of a silent peer does not run while we are the slow one', async (t) => {
  const scp = await startScriptedScp(t, { objects: objectsOf(3, 40_000) })
  const association = await open(t, scp.port, undefined, { timeouts: { inactivityMs: 700 } })
  let objects = 0
  for await (const { chunks } of association.get(SERIES)) {
    for await (const _ of chunks) if (objects === 0) await sleep(300)
    await sleep(1_000)
    objects++
  }
  t.equal(objects, 3)
})

/** A count once it has stood still for 300 ms. */
async function standing(count: () => number): Promise<number> {
  for (let last = count(); ; last = count()) {
    await sleep(300)
    if (count() === last) return last
  }
}

/** Bytes that the sockets of this process that connected have read. */
function received(): number {
  const handles = (process as unknown as { _getActiveHandles(): unknown[] })._getActiveHandles()
  const sockets = handles.filter((handle) => (handle as Socket).bytesRead !== undefined) as Socket[]
  return Math.max(...sockets.map(({ bytesRead }) => bytesRead))
}
