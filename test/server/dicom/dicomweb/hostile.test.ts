import { writeSeries, type WrittenSeries } from '@mdm/server/dicom/dcmjs/write-series'
import type { Budget } from '@mdm/server/dicom/sources/budget'
import type { DicomSource } from '@mdm/server/dicom/source'
import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import {
  BOUNDARY,
  MULTIPART,
  answerJson,
  multipartOf,
  openSource,
  seriesRecord,
  startServer,
  storedIn,
  type ScriptedServer,
  type Script,
} from './server.ts'
import { wantedOf } from '../../../fixtures/wanted.ts'

interface World {
  server: ScriptedServer
  source: DicomSource
  budget: Budget
  ct: WrittenSeries
  mr: WrittenSeries
  /** files of the CT series, in the order of its SOPInstanceUIDs */
  files: Buffer[]
  other: Buffer
}

/** A CT of four slices and an MR of one, behind a source whose patience is short. */
async function world(t: Test, o: { inactivityMs?: number } = {}): Promise<World> {
  const folder = t.testdir()
  const grid = { columns: 5, rows: 3, spacing: [1, 1, 2] as [number, number, number] }
  const voxel = (i: number, j: number, k: number): number => 100 * k + 10 * j + i
  const ct = await writeSeries(`${folder}/ct`, { ...grid, modality: 'CT', voxel, slices: 4 })
  const mr = await writeSeries(`${folder}/mr`, { ...grid, modality: 'MR', voxel, slices: 1 })
  const stored = storedIn(folder)
  const server = await startServer(t, stored)
  const files = ct.sops.map((sop) => stored.find(({ header }) => header.sop === sop)!.file)
  const other = stored.find(({ header }) => header.series === mr.series)!.file
  return { server, ...openSource(t, server, o), ct, mr, files, other }
}

const UNREACHABLE = { code: 'MDM_SOURCE_UNREACHABLE' }
const REFUSED = { code: 'MDM_SOURCE_REFUSED' }

/** What a retrieve brought before it ended, and how it ended. */
async function retrieved(
  source: DicomSource,
  ct: WrittenSeries,
): Promise<{ pixels: Map<string, number>; error: { code?: string; message?: string } | undefined }> {
  const pixels = new Map<string, number>()
  try {
    for await (const { header, pixels: bytes } of source.retrieve(ct, wantedOf(ct.sops)))
      pixels.set(header.sop, bytes.readUInt16LE(0))
  } catch (error) {
    return { pixels, error: error as { code?: string } }
  }
  return { pixels, error: undefined }
}

async function headers(source: DicomSource, ct: WrittenSeries): Promise<string[]> {
  const sops: string[] = []
  for await (const { sop } of source.headers(ct)) sops.push(sop)
  return sops
}

const wado =
  (answer: (reply: ServerResponse) => unknown): Script =>
  ({ kind }, reply) => {
    if (kind !== 'wado') return false
    void answer(reply)
    return true
  }

/** Sends a body as it is, and ends the connection in the middle of it. */
function send(reply: ServerResponse, body: Buffer, framing: string, length: number): void {
  const head: Record<string, string> = { 'content-type': MULTIPART }
  if (framing === 'length') head['content-length'] = String(body.length)
  if (framing === 'until it closes') reply.useChunkedEncodingByDefault = false
  reply.writeHead(200, head)
  reply.write(body.subarray(0, length), () => reply.socket?.end())
}

t.test(
  'a reply that is cut anywhere brings whole objects only, says so, and the next try works',
  async (t) => {
    const { server, source, budget, ct, files } = await world(t)
    const placesOf = (body: Buffer, part: number): Record<string, number> => ({
      'before the first boundary': 0,
      'in the first boundary': 7,
      'in the head of a part': 60,
      'in the preamble': 200,
      'in the meta information': part - files[0]!.length + 150,
      'in the data set': part - 200,
      'in the pixels': part - 10,
      'before a boundary': part - 2,
      'in a boundary': part + 5,
      'behind a boundary': part + BOUNDARY.length + 2,
      'in a later object': 3 * part + 500,
      'before the last boundary': body.length - BOUNDARY.length - 8,
      'in the last boundary': body.length - 4,
    })
    for (const framing of ['length', 'chunked', 'until it closes'])
      for (const lengths of [true, false]) {
        const cut = multipartOf(files, { lengths })
        const part = cut.indexOf(`--${BOUNDARY}`, 10, 'latin1')
        for (const [place, at] of Object.entries(placesOf(cut, part))) {
          server.script = wado((reply) => send(reply, cut, framing, at))
          const { pixels, error } = await retrieved(source, ct)
          const name = `${place}, ${framing}, ${lengths ? 'with' : 'without'} lengths`
          // All were there before the end that was lost, so nobody looked for it.
          if (pixels.size < 4) t.match(error, UNREACHABLE, name)
          for (const [sop, value] of pixels) t.equal(value, 100 * ct.sops.indexOf(sop), name)
          t.ok(pixels.size <= Math.floor(at / part) + 1, name)
          await t.rejects(headers(source, ct), UNREACHABLE, name)
          t.equal(budget.used, 0, name)
        }
      }
    server.script = () => false
    t.equal((await headers(source, ct)).length, 4)
  },
)

t.test('a connection that ends or answers nonsense instead of a head is a fault', async (t) => {
  const { server, source, budget, ct } = await world(t)
  const heads = [
    '',
    'HTTP',
    'HTTP/1.1 200 OK\r\nContent-Type: mul',
    'SSH-2.0-server\r\n',
    '\0\0\0\0\0\0\0\0\r\n\r\n',
  ]
  for (const head of heads) {
    server.script = ({ kind }, reply) => kind === 'wado' && (reply.socket!.end(head), true)
    await t.rejects(headers(source, ct), UNREACHABLE, JSON.stringify(head))
  }
  server.script = ({ kind }, reply) => kind === 'wado' && (reply.socket!.destroy(), true)
  await t.rejects(headers(source, ct), UNREACHABLE)
  const endless = async (reply: ServerResponse): Promise<void> => {
    const socket = reply.socket!
    socket.write('HTTP/1.1 200 OK\r\n')
    for (let n = 0; n < 100_000 && socket.writable; n++)
      if (!socket.write(`X-Header-${n}: ${'x'.repeat(100)}\r\n`)) await sleep(1)
  }
  server.script = wado(endless)
  await t.rejects(headers(source, ct), UNREACHABLE, 'a head without an end')
  t.equal(budget.used, 0)
})

t.test('another kind of reply, or another boundary, is a fault', async (t) => {
  const { server, source, budget, ct, files } = await world(t)
  const body = multipartOf(files)
  const types = [
    '',
    'application/dicom',
    'text/html',
    'multipart/mixed; boundary=x',
    'multipart/related',
    'multipart/related; type="application/dicom"',
    'multipart/related; type="application/dicom"; boundary=""',
    `multipart/related; type="application/dicom+json"; boundary=${BOUNDARY}`,
    'multipart/related; type="application/dicom"; boundary=another',
    `multipart/related; type="application/dicom"; boundary=${'x'.repeat(300)}`,
  ]
  for (const type of types) {
    server.script = wado((reply) =>
      reply.writeHead(200, type === '' ? {} : { 'content-type': type }).end(body),
    )
    await t.rejects(headers(source, ct), UNREACHABLE, type)
    t.equal(budget.used, 0)
  }
  const proper = `Multipart/Related;boundary="${BOUNDARY}"; TYPE="application/dicom" ;start="<x;y>"`
  server.script = wado((reply) => reply.writeHead(200, { 'content-type': proper }).end(body))
  t.equal((await headers(source, ct)).length, 4, proper)
})

t.test('a compressed reply is refused, since nobody asked for one', async (t) => {
  const { server, source, ct, files } = await world(t)
  const asked: unknown[] = []
  server.script = (_, reply, request) => {
    asked.push(request.headers['accept-encoding'])
    reply.writeHead(200, { 'content-type': MULTIPART, 'content-encoding': 'gzip' }).end(multipartOf(files))
    return true
  }
  await t.rejects(source.series(), UNREACHABLE)
  t.same(asked, ['identity'])
  server.script = wado((reply) =>
    reply.writeHead(200, { 'content-type': MULTIPART, 'content-encoding': 'gzip' }).end(multipartOf(files)),
  )
  await t.rejects(headers(source, ct), UNREACHABLE)
})

t.test('each status says what is wrong, and nothing of what the body says', async (t) => {
  const { server, source, budget, ct } = await world(t)
  for (const status of [206, 302, 307, 400, 401, 403, 406, 429, 500, 503]) {
    server.script = wado((reply) =>
      reply.writeHead(status, { location: '/pacs/rs/series' }).end('CANARY^PATIENT 1.2.3.4'),
    )
    const before = server.requests.length
    const error = await headers(source, ct).catch((caught: Error) => caught)
    t.match(error, status === 401 || status === 403 ? REFUSED : UNREACHABLE, String(status))
    const said = error as Error
    t.match(said.message, new RegExp(`source pacs: .*status ${status}`))
    t.notMatch(
      JSON.stringify([said.message, said.stack, String(said.cause)]),
      /CANARY|1\.2\.3\.4|studies|http:/,
    )
    t.equal(server.requests.length, before + 2, 'no redirect is followed')
    t.equal(budget.used, 0)
  }
  for (const status of [204, 404, 410]) {
    server.script = wado((reply) => reply.writeHead(status).end())
    await t.rejects(headers(source, ct), { code: 'MDM_NOT_FOUND' }, 'it vanished since it was counted')
  }
})

t.test('a wrong root is not an empty source', async (t) => {
  const { server, source, ct } = await world(t)
  server.script = (_, reply) => (reply.writeHead(404).end(), true)
  await t.rejects(source.series(), UNREACHABLE)
  await t.rejects(source.count(ct), UNREACHABLE)
  server.script = (_, reply) => (reply.writeHead(204).end(), true)
  t.same(await source.series(), [], 'but no content is')
  t.equal(await source.count(ct), 0)
})

t.test(
  'another object, one twice, one of another series: headers() misses it, retrieve() leaves it out',
  async (t) => {
    const { server, source, ct, files, other } = await world(t)
    const [a, b, c, d] = files as [Buffer, Buffer, Buffer, Buffer]
    const replies: Record<string, [files: Buffer[], whole: number]> = {
      fewer: [[a, b, c], 3],
      none: [[], 0],
      'one of another series': [[a, other, c, d], 3],
      'one twice': [[a, b, b, d], 3],
      'no DICOM': [[a, b, c, Buffer.from('<html>not found</html>')], 3],
      'an empty one': [[a, b, c, Buffer.alloc(0)], 3],
      'a cut one that says it is whole': [[a, b, c, d.subarray(0, d.length - 8)], 3],
      'one without its UIDs': [[a, b, c, d.subarray(0, 400)], 3],
    }
    for (const [name, [sent, whole]] of Object.entries(replies)) {
      server.script = wado((reply) =>
        reply.writeHead(200, { 'content-type': MULTIPART }).end(multipartOf(sent)),
      )
      // A cut one still says where it belongs: its header has the fault.
      if (name.startsWith('a cut one')) t.equal((await headers(source, ct)).length, 4, name)
      else await t.rejects(headers(source, ct), { code: 'MDM_SOURCE_INCOMPLETE' }, name)
      const { pixels, error } = await retrieved(source, ct)
      t.equal(error, undefined, name)
      t.equal(pixels.size, whole, name)
      const given: string[] = []
      for await (const { sop } of source.objects(ct)) given.push(sop)
      t.equal(new Set(given).size, given.length, name)
      t.ok(
        given.every((sop) => ct.sops.includes(sop)),
        name,
      )
    }
    server.script = wado((reply) =>
      reply.writeHead(200, { 'content-type': MULTIPART }).end(multipartOf([...files, other, a])),
    )
    t.equal((await headers(source, ct)).length, 4, 'more than asked for does no harm')
    // Asked for one by one, it gives another.
    const sops: string[] = []
    server.script = ({ sop }, reply) =>
      sop !== undefined && (reply.writeHead(200, { 'content-type': MULTIPART }).end(multipartOf([b])), true)
    for await (const { header } of source.retrieve(ct, wantedOf([ct.sops[0]!]))) sops.push(header.sop)
    t.same(sops, [])
  },
)

t.test('a file meta information that lies about its object fools nobody', async (t) => {
  const { server, source, ct, files } = await world(t)
  const lying = Buffer.from(files[0]!)
  const at = lying.indexOf(ct.sops[0]!)
  lying.write(ct.sops[1]!.slice(0, ct.sops[0]!.length), at, 'latin1')
  server.script = wado((reply) =>
    reply.writeHead(200, { 'content-type': MULTIPART }).end(multipartOf([lying, ...files.slice(1)])),
  )
  const given: string[] = []
  for await (const { sop } of source.objects(ct)) given.push(sop)
  t.same(given.sort(), [...ct.sops].sort(), 'the data set says which object it is')
})

t.test('parts without end, in number or in length, are a fault', async (t) => {
  const { server, source, budget, ct } = await world(t)
  const endless = (piece: Buffer): Script =>
    wado(async (reply) => {
      reply.writeHead(200, { 'content-type': MULTIPART })
      for (let n = 0; n < 200_000 && !reply.destroyed; n++) if (!reply.write(piece)) await sleep(1)
      reply.end()
    })
  server.script = endless(multipartOf([Buffer.alloc(0)]).subarray(0, -`--${BOUNDARY}--\r\n`.length))
  await t.rejects(headers(source, ct), UNREACHABLE, 'empty parts')
  server.script = endless(Buffer.from(`X-Header: ${'x'.repeat(100)}\r\n`))
  await t.rejects(headers(source, ct), UNREACHABLE, 'a preamble')
  server.script = wado((reply) => {
    reply.writeHead(200, { 'content-type': MULTIPART })
    reply.end(`--${BOUNDARY}\r\nContent-Length: 99999999999999\r\n\r\n`)
  })
  await t.rejects(headers(source, ct), UNREACHABLE, 'a length that no object has')
  t.equal(budget.used, 0)
})

t.test('silence and dripping are faults within the time of inactivity; a slow reader is not', async (t) => {
  const { server, source, budget, ct, files } = await world(t, { inactivityMs: 1_000 })
  const body = multipartOf(files)
  server.script = ({ kind }) => kind === 'wado'
  await t.rejects(headers(source, ct), UNREACHABLE, 'no answer')
  server.script = wado((reply) =>
    reply.writeHead(200, { 'content-type': MULTIPART }).write(body.subarray(0, 900)),
  )
  await t.rejects(headers(source, ct), UNREACHABLE, 'silence in the middle')
  const drip = async (reply: ServerResponse): Promise<void> => {
    reply.writeHead(200, { 'content-type': MULTIPART })
    for (let at = 0; at < body.length && !reply.destroyed; at++) {
      reply.write(body.subarray(at, at + 1))
      await sleep(20)
    }
  }
  server.script = wado(drip)
  await t.rejects(headers(source, ct), UNREACHABLE, 'a byte now and then')
  server.script = wado(async (reply) => {
    const socket = reply.socket!
    socket.write('HTTP/1.1 200 OK\r\n')
    for (let n = 0; n < 1_000 && socket.writable; n++, await sleep(20)) socket.write('X')
  })
  await t.rejects(headers(source, ct), UNREACHABLE, 'a head that drips')
  t.equal(budget.used, 0)

  server.script = wado(async (reply) => {
    reply.writeHead(200, { 'content-type': MULTIPART })
    // Slower as a whole than the time of inactivity, yet never silent.
    const piece = Math.ceil(body.length / 12)
    for (let at = 0; at < body.length; at += piece, await sleep(150))
      reply.write(body.subarray(at, at + piece))
    reply.end()
  })
  t.equal((await headers(source, ct)).length, 4, 'a slow server')
  server.script = () => false
  let count = 0
  for await (const _ of source.retrieve(ct, wantedOf(ct.sops))) if (count++ === 0) await sleep(1_500)
  t.equal(count, 4, 'a slow reader')
})

t.test('an abort ends every wait, and gives the room back', async (t) => {
  const { server, source, budget, ct, files } = await world(t)
  const scripts: Record<string, Script> = {
    'a search': ({ kind }) => kind === 'series',
    'the head of a reply': ({ kind }) => kind === 'wado',
    'the rest of a reply': wado((reply) =>
      reply.writeHead(200, { 'content-type': MULTIPART }).write(multipartOf(files).subarray(0, 900)),
    ),
  }
  for (const [wait, script] of Object.entries(scripts)) {
    server.script = script
    const abort = new AbortController()
    const reading = (async () => {
      for await (const _ of source.headers(ct, abort.signal));
    })()
    await sleep(50)
    abort.abort()
    await t.rejects(reading, { name: 'AbortError' }, wait)
    t.equal(budget.used, 0, wait)
  }
  const slots = [
    await budget.take('deliver'),
    await budget.take('deliver'),
    await budget.take('deliver'),
    await budget.take('deliver'),
  ]
  await t.rejects(source.count(ct, AbortSignal.timeout(50)), { name: 'TimeoutError' }, 'the wait for room')
  for (const slot of slots) slot.free()
  server.script = () => false
  t.equal(await source.count(ct), 4)
})

t.test('a few objects of many are asked for one by one, no more at once than there is room', async (t) => {
  const { server, source, budget, ct } = await world(t)
  let most = 0
  server.script = () => {
    most = Math.max(most, budget.used)
    return false
  }
  const first = [ct.sops[2]!]
  for await (const { sop } of source.objects(ct, { sops: [...first, '..', '1.2.3', 'a/b?c'] }))
    t.equal(sop, first[0])
  t.equal(
    server.requests.filter((path) => path.includes('/instances/')).length,
    0,
    'three or more of four: the series',
  )
  for await (const { sop } of source.objects(ct, { sops: first })) t.equal(sop, first[0])
  t.equal(server.requests.filter((path) => path.includes('/instances/')).length, 1)
  t.ok(most <= budget.size)
  t.equal(budget.used, 0)
})

t.test('a search goes on until nothing new comes', async (t) => {
  const { server, source, ct, mr } = await world(t)
  const records = server.objects.map(({ header }, n) => seriesRecord({ ...header, series: `1.2.${n}` }, 1))
  server.script = ({ query }, reply) => {
    const offset = Number(query.get('offset'))
    answerJson(reply, records.slice(offset, offset + 2))
    return true
  }
  t.equal((await source.series()).length, 5, 'pages shorter than asked for')
  server.script = (_, reply) => (answerJson(reply, records), true)
  t.equal((await source.series()).length, 5, 'a server that knows no pages')
  t.equal(server.requests.length, 6)
  // What a filter does not mean, a server may send all the same.
  server.script = (_, reply) => (
    answerJson(
      reply,
      server.objects.map(({ header }) => seriesRecord(header, 1)),
    ),
    true
  )
  t.same(await source.series({ filter: { modality: 'MR' } }), [
    { study: mr.study, series: mr.series, objects: 1 },
  ])
  t.same(await source.series({ filter: { series: ct.series } }), [
    { study: ct.study, series: ct.series, objects: 1 },
  ])
  t.same(await source.series({ filter: { patientId: 'MDM-*' } }), [])
})

t.test(
  'a server that does not count is counted by its list; one that lists nonsense is a fault',
  async (t) => {
    const { server, source, ct } = await world(t)
    const [{ header }] = server.objects.filter(({ header }) => header.series === ct.series) as [
      (typeof server.objects)[0],
    ]
    server.script = ({ kind }, reply) =>
      kind === 'series' && (answerJson(reply, [seriesRecord(header, undefined)]), true)
    t.equal(await source.count(ct), 4)
    t.equal((await headers(source, ct)).length, 4)
    const bodies = [
      '',
      '{',
      '{}',
      '[1]',
      'null',
      '[{"0020000D":1}]',
      '[{"0020000D":{"Value":"x"}}]',
      '\xff\xfe',
    ]
    for (const body of bodies) {
      server.script = (_, reply) => (
        reply.writeHead(200, { 'content-type': 'application/dicom+json' }).end(body),
        true
      )
      await t.rejects(source.series(), UNREACHABLE, body)
    }
    server.script = (_, reply) => (
      reply.writeHead(200, { 'content-type': 'application/dicom+xml' }).end('[]'),
      true
    )
    await t.rejects(source.series(), UNREACHABLE, 'another type')
    const odd = ['..', '', 'a b', 'x'.repeat(200), 5].map((series) => ({
      ...header,
      series: series as string,
    }))
    server.script = (_, reply) => (
      answerJson(
        reply,
        odd.map((each) => seriesRecord(each, 1)),
      ),
      true
    )
    t.same(
      (await source.series()).map(({ series }) => series),
      ['5'],
      'what no path can name is no series',
    )
    server.script = (_, reply) => {
      reply.writeHead(200, { 'content-type': 'application/dicom+json' })
      reply.write(`[${' '.repeat(17 << 20)}`)
      return true
    }
    await t.rejects(source.series(), UNREACHABLE, 'more than a page')
  },
)

t.test('a probe says what fails, in steps', async (t) => {
  const { server, source } = await world(t)
  server.script = wado((reply) => reply.writeHead(406).end())
  t.match(await source.probe(), {
    steps: [
      { step: 'find', ok: true },
      { step: 'get', ok: false, code: 'MDM_SOURCE_UNREACHABLE' },
    ],
  })
  server.script = (_, reply) => (reply.writeHead(401).end(), true)
  const { steps } = await source.probe()
  t.match(steps, [{ step: 'find', ok: false, note: /credentials/ }])
  t.equal(steps.length, 1)
  server.objects = []
  server.script = () => false
  t.match(await source.probe(), { steps: [{ step: 'find', ok: true }] })
})
