import { decodeAssociateAc, encodeAssociateRq } from '@mdm/server/dicom/dimse/associate-pdu'
import { decodeCommandSet, encodeCommandSet } from '@mdm/server/dicom/dimse/command-set'
import { associate, VERIFICATION, type IncomingAssociation } from '@mdm/server/dicom/dimse/index'
import { encodeDataHeader, encodePdu, PDU, RELEASE_RQ } from '@mdm/server/dicom/dimse/pdu'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import {
  CT,
  ELE,
  gather,
  ILE,
  listen,
  MR,
  objectsOf,
  open,
  openSockets,
  peerAt,
  STORE,
  until,
} from './both-ends.ts'

const OBJECT = { sopClass: MR, sop: '1.2.3', transferSyntax: ELE, chunks: [Buffer.from('data')] }

/** A client that writes bytes, and what it hears. */
function raw(t: Test, port: number, ...writes: Buffer[]): { socket: Socket; heard: () => Buffer } {
  const heard: Buffer[] = []
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  socket.on('error', () => {}).on('data', (chunk: Buffer) => heard.push(chunk))
  for (const bytes of writes) socket.write(bytes)
  t.teardown(() => socket.destroy())
  return { socket, heard: () => Buffer.concat(heard) }
}

function request(o: Partial<Parameters<typeof encodeAssociateRq>[0]> = {}): Buffer {
  const contexts = [{ id: 1, abstractSyntax: MR, transferSyntaxes: [ELE] }]
  return encodeAssociateRq({ called: 'CALLED', calling: 'RAW', contexts, maxPdu: 0, roles: [], ...o })
}

function command(fields: Parameters<typeof encodeCommandSet>[0]): Buffer {
  const bytes = encodeCommandSet(fields)
  return Buffer.concat([encodeDataHeader(1, { isCommand: true, isLast: true }, bytes.length), bytes])
}

t.test('the one who decides is told who calls', async (t) => {
  const seen: IncomingAssociation[] = []
  const here = await listen(t, {
    ae: ['OTHER', 'CALLED'],
    authorize: async (association) => seen.push(association) > 0,
  })
  const userIdentity = { user: 'site', password: 'passcode' }
  await (await open(t, here.port, STORE, { userIdentity })).release()
  await (await open(t, here.port, STORE, { calledAe: 'OTHER' })).release()
  t.same(seen, [
    { calling: 'CALLER', called: 'CALLED', peerAddress: '127.0.0.1', tlsPeer: undefined, userIdentity },
    {
      ...{ calling: 'CALLER', called: 'OTHER', peerAddress: '127.0.0.1', tlsPeer: undefined },
      userIdentity: undefined,
    },
  ])
})

t.test('who is not let in, or calls another title, is rejected, reported and stores nothing', async (t) => {
  const here = await listen(t, { authorize: ({ calling }) => calling === 'FRIEND' })
  for (const who of [{}, { calledAe: 'NOT-HERE', callingAe: 'FRIEND' }])
    await t.rejects(associate(peerAt(here.port, who), STORE), {
      code: 'MDM_SOURCE_REFUSED',
      details: { dimse: 'rejected' },
    })
  t.same(here.faults, ['rejected', 'rejected'])
  t.equal(here.kept.length, 0)
  const failing = await listen(t, { authorize: () => Promise.reject(new Error('the store is away')) })
  await t.rejects(associate(peerAt(failing.port), STORE), {
    code: 'MDM_SOURCE_UNREACHABLE',
    details: { dimse: 'aborted' },
  })
})

t.test('a rejection is by the standard: version, context name, title', async (t) => {
  const here = await listen(t)
  const version = request()
  version.writeUInt16BE(2, 6)
  const name = Buffer.from(request().toString('latin1').replace('3.1.1.1', '3.1.1.9'), 'latin1')
  for (const [bytes, answer] of [
    [version, '03000000000400010202'],
    [name, '03000000000400010102'],
    [request({ called: 'NOBODY' }), '03000000000400010107'],
  ] as const) {
    const { heard } = raw(t, here.port, bytes)
    t.ok(await until(() => heard().toString('hex') === answer), answer)
  }
})

t.test(
  'storage classes of the standard and private ones are taken, others not, in the syntax wished first',
  async (t) => {
    const here = await listen(t)
    const contexts = [
      [VERIFICATION, [ILE]],
      [MR, ['1.2.840.10008.1.2.4.90', ELE]],
      ['1.3.12.2.1107.5.9.1', [ELE]],
      ['1.2.840.10008.5.1.4.1.2.2.1', [ELE]],
      ['no uid', [ELE]],
      [CT, []],
    ] as const
    const { heard } = raw(
      t,
      here.port,
      request({
        contexts: contexts.map(([abstractSyntax, transferSyntaxes], at) => ({
          ...{ id: 2 * at + 1, abstractSyntax, transferSyntaxes },
        })),
      }),
    )
    await until(() => heard().length > 200)
    t.same(
      decodeAssociateAc(heard().subarray(6)).contexts.map(({ result }) => result),
      [0, 0, 0, 3, 3, 4],
    )
    t.equal(decodeAssociateAc(heard().subarray(6)).contexts[1]!.transferSyntax, '1.2.840.10008.1.2.4.90')
    const narrow = await listen(t, { acceptsClass: (uid) => uid === CT, transferSyntaxes: [ILE] })
    await t.rejects(associate(peerAt(narrow.port), [STORE[1]!]), {
      code: 'MDM_SOURCE_REFUSED',
      details: { dimse: 'no-context' },
    })
    t.same((await open(t, narrow.port, [{ abstractSyntax: CT, transferSyntaxes: [ELE, ILE] }])).accepted, [
      { id: 1, abstractSyntax: CT, transferSyntax: ILE },
    ])
  },
)

t.test('success is answered only after the keeper has said so', async (t) => {
  const durable = Promise.withResolvers<void>()
  const here = await listen(t, {
    async onStore({ chunks }) {
      await gather(chunks)
      await durable.promise
      return 0
    },
  })
  const association = await open(t, here.port, STORE)
  let answered = false
  const sending = association.store(OBJECT).then((status) => ((answered = true), status))
  await new Promise((resolve) => setTimeout(resolve, 100))
  t.notOk(answered)
  durable.resolve()
  t.equal(await sending, 0)
})

t.test('the status of the keeper is answered, and a throw is no success', async (t) => {
  const statuses = [0xa700, 0xb000, 0]
  const here = await listen(t, {
    async onStore() {
      const status = statuses.shift()
      if (status === undefined) throw new Error('not kept')
      return status
    },
    onEcho: () => 0x0122,
  })
  const association = await open(t, here.port, STORE)
  const answers: number[] = []
  for (let at = 0; at < 4; at++) answers.push(await association.store(OBJECT))
  t.same(answers, [0xa700, 0xb000, 0, 0xc000])
  await t.rejects(association.echo(), { code: 'MDM_SOURCE_REFUSED', details: { status: 0x0122 } })
})

t.test('an object of another class than its context, or of none, is not taken under its cover', async (t) => {
  const here = await listen(t, { acceptsClass: (uid) => uid === MR })
  for (const [abstractSyntax, affectedSopClass] of [
    [MR, CT],
    [VERIFICATION, VERIFICATION],
  ] as const) {
    const store = { commandField: 1, messageId: 1, affectedSopClass, affectedSop: '1.2', hasDataSet: true }
    const data = Buffer.concat([encodeDataHeader(1, { isCommand: false, isLast: true }, 4), Buffer.alloc(4)])
    const contexts = [{ id: 1, abstractSyntax, transferSyntaxes: [ELE] }]
    const { heard } = raw(t, here.port, request({ contexts }), command(store), data)
    t.ok(await until(() => heard().includes(Buffer.from('000000090200000000a9', 'hex'))))
  }
  t.equal(here.kept.length, 0)
})

t.test('an operation that is not served is answered so, and a C-CANCEL not at all', async (t) => {
  const here = await listen(t)
  const find = { commandField: 0x0020, messageId: 9, affectedSopClass: MR, hasDataSet: false }
  const cancel = { commandField: 0x0fff, respondedTo: 9, hasDataSet: false }
  const { heard } = raw(t, here.port, request(), command(cancel), command(find), RELEASE_RQ)
  t.ok(await until(() => heard().includes(Buffer.from('06000000000400000000', 'hex'))))
  const answer = heard().subarray(6 + heard().readUInt32BE(2))
  t.match(decodeCommandSet(answer.subarray(12, 6 + answer.readUInt32BE(2))), {
    commandField: 0x8020,
    respondedTo: 9,
    status: 0x0211,
  })
})

t.test('a full server says so by the protocol, and serves again when one has gone', async (t) => {
  const here = await listen(t, { limits: { associations: 2 } })
  const first = await open(t, here.port, STORE)
  const second = await open(t, here.port, STORE)
  await t.rejects(associate(peerAt(here.port), STORE), {
    code: 'MDM_SOURCE_UNREACHABLE',
    details: { dimse: 'rejected', source: 3, reason: 1 },
  })
  await Promise.all([first.echo(), second.echo()])
  await first.release()
  await until(() => openSockets() <= 3)
  await (await open(t, here.port, STORE)).echo()
})

t.test('a client that says nothing, drips or stays too long is cut', async (t) => {
  const limits = { associationMs: 800, inactivityMs: 800, lifetimeMs: 2_000 }
  const here = await listen(t, { limits })
  const silent = raw(t, here.port)
  const dripping = raw(t, here.port)
  const rq = request()
  let at = 0
  const drip = setInterval(() => dripping.socket.write(rq.subarray(at, ++at)), 20)
  t.teardown(() => clearInterval(drip))
  const idle = raw(t, here.port, rq)
  for (const { socket } of [silent, dripping, idle]) if (!socket.closed) await once(socket, 'close')
  clearInterval(drip)
  t.equal(idle.heard().subarray(-10).toString('hex'), '07000000000400000000', 'an A-ABORT')
  const busy = await open(t, here.port, STORE)
  const echoes = async (): Promise<void> => {
    for (;;) await busy.echo()
  }
  await t.rejects(echoes(), { code: 'MDM_SOURCE_UNREACHABLE' })
  t.ok(await until(() => here.faults.length === 4))
  t.same(here.faults.toSorted(), ['association-timeout', 'association-timeout', 'inactive', 'inactive'])
})

t.test('a store that is cut in the middle reaches the keeper as an error', async (t) => {
  const ended: unknown[] = []
  let began = false
  const here = await listen(t, {
    async onStore({ chunks }) {
      began = true
      await gather(chunks).catch((error) => ended.push(error))
      throw new Error('not whole')
    },
  })
  const association = await open(t, here.port, STORE)
  const endless = async function* () {
    yield objectsOf(1, 200_000)[0]!.data
    await new Promise(() => {})
  }
  association.store({ ...OBJECT, chunks: endless() }).catch(() => {})
  await until(() => began)
  association.abort()
  t.ok(await until(() => ended.length === 1))
  t.match(ended[0], { code: 'MDM_SOURCE_UNREACHABLE' })
  t.ok(await until(() => here.faults.includes('aborted')))
})

t.test('what is not DICOM, or comes at the wrong time, is aborted by the provider', async (t) => {
  const here = await listen(t, { limits: { maxPdu: 4_096 } })
  const echo = { commandField: 0x30, messageId: 1, affectedSopClass: VERIFICATION, hasDataSet: false }
  for (const [what, writes] of Object.entries({
    HTTP: [Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    'data before the association': [command(echo)],
    'two associations': [request(), request()],
    'two contexts of one number': [
      request({ contexts: [1, 1].map((id) => ({ id, abstractSyntax: MR, transferSyntaxes: [ELE] })) }),
    ],
    'a PDU longer than agreed': [request(), Buffer.from('040000001001', 'hex')],
    'a fragment longer than its PDU': [
      request(),
      encodePdu(PDU.data, Buffer.from('0000000901030000', 'hex')),
    ],
    'a fragment of no length': [request(), encodePdu(PDU.data, Buffer.from('000000000103', 'hex'))],
    'a context that was not accepted': [
      request(),
      Buffer.from(command(echo).map((byte, at) => (at === 10 ? 9 : byte))),
    ],
    'a data set without a command': [request(), encodePdu(PDU.data, Buffer.from('000000020102', 'hex'))],
    'a command without end': [
      request(),
      ...Array.from({ length: 5 }, () =>
        Buffer.concat([encodeDataHeader(1, { isCommand: true, isLast: false }, 4_000), Buffer.alloc(4_000)]),
      ),
    ],
    'a response to nothing': [
      request(),
      command({ commandField: 0x8030, respondedTo: 1, hasDataSet: false }),
    ],
    'a store that does not say what': [
      request(),
      command({ commandField: 1, messageId: 1, hasDataSet: true }),
    ],
  })) {
    const { heard, socket } = raw(t, here.port, ...writes)
    if (!socket.closed) await once(socket, 'close')
    t.match(heard().subarray(-10).toString('hex'), /^0700000000040000020[0-6]$/, what)
  }
  t.same(new Set(here.faults), new Set(['protocol']))
  t.equal(here.kept.length, 0)
})

t.test('a stop aborts what is open, and the address is free again', async (t) => {
  const here = await listen(t)
  const association = await open(t, here.port, STORE)
  raw(t, here.port)
  await here.close()
  await t.rejects(association.echo(), { code: 'MDM_SOURCE_UNREACHABLE' })
  const again = await listen(t, { port: here.port })
  t.equal(again.port, here.port)
  await t.rejects(listen(t, { port: here.port }), { code: 'MDM_CONFIG' })
})
