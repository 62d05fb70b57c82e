import { associate, VERIFICATION, type DimsePeer, type Proposal } from '@mdm/server/dicom/dimse/index'
import { encodeAssociateAc } from '@mdm/server/dicom/dimse/associate-pdu'
import { encodePdu, PDU } from '@mdm/server/dicom/dimse/pdu'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { once } from 'node:events'
import t from 'tap'
import { ELE, ILE, listen, MR, open, openSockets, peerAt, STORE, tcpServer, until } from './both-ends.ts'

const FAST = { connectMs: 700, associationMs: 700, inactivityMs: 700 }
const ACCEPT = encodeAssociateAc({
  ...{ called: 'CALLED', calling: 'CALLER', maxPdu: 16_384, roles: [] },
  contexts: [{ id: 1, result: 0, transferSyntax: ILE }],
})

t.test('echo, store and release; then the association is closed', async (t) => {
  const here = await listen(t)
  const association = await open(t, here.port, STORE)
  t.same(association.accepted, [
    { id: 1, abstractSyntax: VERIFICATION, transferSyntax: ILE },
    { id: 3, abstractSyntax: MR, transferSyntax: ELE },
  ])
  t.equal(association.peerMaxPdu, 65_536)
  await association.echo()
  t.equal(
    await association.store({ sopClass: MR, sop: '1.2', transferSyntax: ELE, chunks: [Buffer.from('data')] }),
    0,
  )
  t.ok(association.isOpen)
  await association.release()
  t.notOk(association.isOpen)
  t.same(here.faults, [])
  await t.rejects(association.echo(), { code: 'MDM_SOURCE_UNREACHABLE' })
  await t.resolves(association.release())
})

t.test('what was not accepted is refused before anything is sent', async (t) => {
  const association = await open(t, (await listen(t)).port, STORE)
  const object = { sopClass: MR, sop: '1.2', transferSyntax: ILE, chunks: [] }
  await t.rejects(association.store(object), { code: 'MDM_SOURCE_REFUSED', details: { dimse: 'no-context' } })
  const series = { level: 'SERIES', study: '1', series: '2' } as const
  await t.rejects(association.get(series).next(), {
    code: 'MDM_SOURCE_REFUSED',
    details: { dimse: 'no-context' },
  })
  await t.rejects(association.move({ ...series, destination: 'X' }), {
    code: 'MDM_SOURCE_REFUSED',
    details: { dimse: 'no-context' },
  })
  await t.resolves(association.echo(), 'and the association goes on')
})

t.test('128 contexts can be proposed, and neither none nor more', async (t) => {
  const here = await listen(t)
  const many = (count: number): Proposal[] =>
    Array.from({ length: count }, (_, at) => ({ abstractSyntax: MR, transferSyntaxes: [`1.2.${at}`] }))
  const association = await open(t, here.port, many(128))
  t.equal(association.accepted.length, 128)
  t.equal(association.accepted.at(-1)!.id, 255)
  for (const count of [0, 129])
    await t.rejects(associate(peerAt(here.port), many(count)), { code: 'MDM_INTERNAL' })
})

t.test('an answer with a transfer syntax that was not proposed is no acceptance', async (t) => {
  const port = await tcpServer(t, (socket) => socket.once('data', () => socket.write(ACCEPT)))
  const proposals = [{ abstractSyntax: VERIFICATION, transferSyntaxes: [ELE] }]
  await t.rejects(associate(peerAt(port), proposals), {
    code: 'MDM_SOURCE_REFUSED',
    details: { dimse: 'no-context' },
  })
})

t.test('nobody listening, and a name that is none, are unreachable', async (t) => {
  const closed = createServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const { port } = closed.address() as AddressInfo
  closed.close()
  await once(closed, 'close')
  const error = { code: 'MDM_SOURCE_UNREACHABLE', details: { dimse: 'connect' } }
  await t.rejects(associate(peerAt(port), STORE), error)
  await t.rejects(associate(peerAt(port, { host: 'no-such-host.invalid' }), STORE), error)
})

t.test('each wait has its own clock, and no socket stays', async (t) => {
  const before = openSockets()
  const silent = await tcpServer(t, () => {})
  const cases: Record<string, { peer: DimsePeer; dimse: string }> = {
    'TCP answers, TLS does not': {
      peer: peerAt(silent, { timeouts: { ...FAST, associationMs: 9e5 }, tls: { ca: '' } }),
      dimse: 'connect-timeout',
    },
    'no answer to the A-ASSOCIATE': {
      peer: peerAt(silent, { timeouts: { ...FAST, connectMs: 9e5, inactivityMs: 9e5 } }),
      dimse: 'association-timeout',
    },
  }
  for (const [what, { peer, dimse }] of Object.entries(cases))
    await t.rejects(associate(peer, STORE), { code: 'MDM_SOURCE_UNREACHABLE', details: { dimse } }, what)
  const accepting = await tcpServer(t, (socket) => socket.once('data', () => socket.write(ACCEPT)))
  const association = await open(t, accepting, STORE, { timeouts: { ...FAST, associationMs: 9e5 } })
  await t.rejects(
    association.echo(),
    { code: 'MDM_SOURCE_UNREACHABLE', details: { dimse: 'inactive' } },
    'no answer to a C-ECHO',
  )
  t.ok(await until(() => openSockets() <= before))
})

t.test(
  'a peer that drips an A-ASSOCIATE-AC byte by byte does not outlast the association clock',
  async (t) => {
    const port = await tcpServer(t, (socket) => {
      let at = 0
      const drip = setInterval(() => socket.write(ACCEPT.subarray(at, ++at)), 20)
      socket.once('close', () => clearInterval(drip))
    })
    await t.rejects(associate(peerAt(port, { timeouts: FAST }), STORE), {
      code: 'MDM_SOURCE_UNREACHABLE',
      details: { dimse: 'association-timeout' },
    })
  },
)

t.test('what is not DICOM is a fault of the protocol, told to the peer by an A-ABORT', async (t) => {
  for (const [what, answer] of Object.entries({
    HTTP: Buffer.from('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'),
    'a P-DATA-TF at once': encodePdu(PDU.data, Buffer.alloc(20)),
    'an A-ASSOCIATE-AC of 4 GiB': Buffer.from('0200ffffffff', 'hex'),
    'an A-ASSOCIATE-AC of zeros': encodePdu(PDU.associateAc, Buffer.alloc(100)),
    'an A-RELEASE-RQ': encodePdu(PDU.releaseRq, Buffer.alloc(4)),
    'an A-ASSOCIATE-RQ': encodePdu(PDU.associateRq, Buffer.alloc(68)),
  })) {
    const heard: Buffer[] = []
    const port = await tcpServer(t, (socket) => {
      socket.on('data', (chunk: Buffer) => heard.push(chunk))
      socket.once('data', () => socket.write(answer))
    })
    const expected = what.endsWith('of zeros')
      ? { code: 'MDM_SOURCE_REFUSED', details: { dimse: 'no-context' } }
      : { code: 'MDM_SOURCE_PROTOCOL', details: { dimse: 'protocol' } }
    await t.rejects(associate(peerAt(port), STORE), expected, what)
    await until(() => heard.length > 1)
    t.match(heard.at(-1)?.subarray(0, 6).toString('hex'), '070000000004', `${what}: A-ABORT`)
  }
})

t.test(
  'a signal ends connecting, associating and waiting with an A-ABORT, and with its own reason',
  async (t) => {
    const reason = new Error('enough')
    await t.rejects(associate(peerAt(1), STORE, AbortSignal.abort(reason)), reason)
    const heard: Buffer[] = []
    const silent = await tcpServer(t, (socket) => socket.on('data', (chunk: Buffer) => heard.push(chunk)))
    await t.rejects(associate(peerAt(silent, { tls: { ca: '' } }), STORE, soon(reason)), reason, 'TLS')
    heard.length = 0
    const asked = new AbortController()
    void until(() => heard.length > 0).then(() => asked.abort(reason))
    await t.rejects(associate(peerAt(silent), STORE, asked.signal), reason, 'association')
    t.ok(await until(() => heard.at(-1)?.toString('hex') === '07000000000400000000'))
    const accepting = await tcpServer(t, (socket) => {
      socket.on('data', (chunk: Buffer) => heard.push(chunk))
      socket.once('data', () => socket.write(ACCEPT))
    })
    heard.length = 0
    const stop = new AbortController()
    const association = await open(t, accepting, STORE, {}, stop.signal)
    stop.abort(reason)
    await t.rejects(association.echo(), reason)
    t.ok(await until(() => heard.at(-1)?.toString('hex') === '07000000000400000000'))
  },
)

t.test('a peer that goes while nothing is asked is seen by the next operation', async (t) => {
  for (const how of ['end', 'resetAndDestroy'] as const) {
    const port = await tcpServer(t, (socket) =>
      socket.once('data', () => socket.write(ACCEPT, () => setTimeout(() => socket[how](), 20))),
    )
    const association = await open(t, port, STORE)
    t.ok(await until(() => !association.isOpen))
    await t.rejects(association.echo(), { code: 'MDM_SOURCE_UNREACHABLE' })
  }
})

t.test('a peer that neither answers an abort nor hangs up keeps no socket of ours', async (t) => {
  const theirs: Socket[] = []
  const stubborn = createServer({ allowHalfOpen: true }, (socket) => {
    theirs.push(socket.on('error', () => {}))
    socket.once('data', () => socket.write(ACCEPT))
  }).listen(0, '127.0.0.1')
  await once(stubborn, 'listening')
  t.teardown(() => {
    for (const socket of theirs) socket.destroy()
    stubborn.close()
  })
  const before = openSockets()
  const association = await open(t, (stubborn.address() as AddressInfo).port, STORE)
  association.abort()
  await until(() => theirs.length === 1)
  t.ok(await until(() => openSockets() === before + 1), 'only theirs is left')
})

t.test('a hundred associations leave neither socket nor timer', async (t) => {
  const here = await listen(t, { limits: { associations: 100 } })
  const before = process.getActiveResourcesInfo().length
  await Promise.all(
    Array.from({ length: 100 }, async (_, at) => {
      const association = await associate(peerAt(here.port), STORE)
      await association.echo()
      if (at % 2 === 0) await association.release()
      else association.abort()
    }),
  )
  t.ok(await until(() => process.getActiveResourcesInfo().length <= before))
})

function soon(reason: Error): AbortSignal {
  const stop = new AbortController()
  setTimeout(() => stop.abort(reason), 50)
  return stop.signal
}
