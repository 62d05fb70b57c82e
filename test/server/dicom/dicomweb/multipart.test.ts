import { faultsOf } from '@mdm/server/dicom/dicomweb/faults'
import { readParts } from '@mdm/server/dicom/dicomweb/multipart'
import t from 'tap'

const BOUNDARY = 'b-1'
const fault = faultsOf('pacs')

/** Gives bytes in pieces, and counts how many of them were asked for. */
async function* pieces(bytes: Buffer, size: number, asked = { bytes: 0 }): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) {
    asked.bytes = Math.min(bytes.length, at + size)
    yield Buffer.from(bytes.subarray(at, at + size))
  }
}

async function read(
  bytes: string | Buffer,
  o: { size?: number; maxParts?: number; maxPartBytes?: number; boundary?: string } = {},
): Promise<{ type: string | undefined; body: string }[]> {
  const all = Buffer.from(bytes as string, 'latin1')
  const parts: { type: string | undefined; body: string }[] = []
  const boundary = o.boundary ?? BOUNDARY
  for await (const part of readParts(pieces(all, o.size ?? all.length), boundary, {
    fault,
    maxParts: o.maxParts ?? 10,
    ...(o.maxPartBytes !== undefined && { maxPartBytes: o.maxPartBytes }),
  })) {
    const chunks: Buffer[] = []
    for await (const chunk of part.body) chunks.push(chunk)
    parts.push({ type: part.headers.get('content-type'), body: Buffer.concat(chunks).toString('latin1') })
  }
  return parts
}

const cut = { code: 'MDM_SOURCE_UNREACHABLE' }

/** Bodies that nearly hold a boundary, with and without a length. */
const MESSAGE =
  'a preamble\r\n--b-\r\n' +
  '--b-1\r\nContent-Type: application/dicom\r\n\r\none\r\n--b-\r\n--b-\r\r\n' +
  '\r\n--b-1 \t\r\nCONTENT-LENGTH: 12\r\ncontent-type:text/plain  \r\n\r\ntwo\r\n--b-1\r\n' +
  '\r\n--b-1\r\n\r\n' +
  '\r\n--b-1--\r\nan epilogue'
const PARTS = [
  { type: 'application/dicom', body: 'one\r\n--b-\r\n--b-\r\r\n' },
  { type: 'text/plain', body: 'two\r\n--b-1\r\n' },
  { type: undefined, body: '' },
]

t.test('parts are the same, however their bytes come', async (t) => {
  for (let size = 1; size <= MESSAGE.length; size++)
    t.same(await read(MESSAGE, { size }), PARTS, `by ${size}`)
  // Every place of a message once the border of two chunks.
  for (let at = 1; at < MESSAGE.length; at++) {
    const two = async function* () {
      yield Buffer.from(MESSAGE.slice(0, at), 'latin1')
      yield Buffer.from(MESSAGE.slice(at), 'latin1')
    }
    const bodies: string[] = []
    for await (const { body } of readParts(two(), BOUNDARY, { fault, maxParts: 3 })) {
      let text = ''
      for await (const chunk of body) text += chunk.toString('latin1')
      bodies.push(text)
    }
    t.same(
      bodies,
      PARTS.map(({ body }) => body),
      `cut at ${at}`,
    )
  }
})

t.test('a message that ends anywhere before its last boundary is cut', async (t) => {
  const end = MESSAGE.indexOf('--b-1--') + '--b-1--'.length
  for (let length = 0; length < end; length++)
    await t.rejects(read(MESSAGE.slice(0, length)), cut, `after ${length} bytes`)
  t.same(await read(MESSAGE.slice(0, end)), PARTS)
})

t.test('a body that nobody reads, or only begins to, is passed over', async (t) => {
  for (const size of [1, 7, 1_000]) {
    const types: unknown[] = []
    const bytes = Buffer.from(MESSAGE, 'latin1')
    for await (const { headers, body } of readParts(pieces(bytes, size), BOUNDARY, { fault, maxParts: 3 })) {
      types.push(headers.get('content-type'))
      if (types.length === 1) for await (const _ of body) break
    }
    t.same(types, ['application/dicom', 'text/plain', undefined])
  }
})

t.test('a body that is read too late is an error of ours, and not the next body', async (t) => {
  const bytes = Buffer.from(MESSAGE, 'latin1')
  const parts = readParts(pieces(bytes, 5), BOUNDARY, { fault, maxParts: 3 })
  const first = (await parts.next()).value!
  await parts.next()
  await t.rejects(async () => {
    for await (const _ of first.body);
  }, /before the next/)
})

t.test('no parts at all is a message too', async (t) => {
  t.same(await read('--b-1--'), [])
  t.same(await read('preamble\r\n--b-1--\r\n'), [])
})

t.test('what is malformed is refused', async (t) => {
  const malformed: Record<string, string> = {
    'another boundary': '--b-2\r\n\r\nbody\r\n--b-2--',
    'a longer boundary': '--b-11\r\n\r\nbody\r\n--b-11--',
    'no boundary at all': 'body',
    nothing: '',
    'a header without a name': '--b-1\r\n: x\r\n\r\nbody\r\n--b-1--',
    'a header without a colon': '--b-1\r\nContent-Type\r\n\r\nbody\r\n--b-1--',
    'a header that goes on in the next line': '--b-1\r\nContent-Type: a\r\n b\r\n\r\nbody\r\n--b-1--',
    'a header twice': '--b-1\r\nContent-Length: 4\r\ncontent-length: 5\r\n\r\nbody\r\n--b-1--',
    'a length that is no number': '--b-1\r\nContent-Length: 4, 4\r\n\r\nbody\r\n--b-1--',
    'a negative length': '--b-1\r\nContent-Length: -4\r\n\r\nbody\r\n--b-1--',
    'a length too short': '--b-1\r\nContent-Length: 3\r\n\r\nbody\r\n--b-1--',
    'a length too long': '--b-1\r\nContent-Length: 5\r\n\r\nbody\r\n--b-1--',
    'an absurd length': '--b-1\r\nContent-Length: 999999999999999\r\n\r\nbody\r\n--b-1--',
    'line feeds alone': '--b-1\nContent-Type: a\n\nbody\n--b-1--\n',
  }
  for (const [what, message] of Object.entries(malformed)) await t.rejects(read(message), cut, what)
})

t.test('nothing goes on for ever: heads, parts, their number, what stands before and behind', async (t) => {
  const head = `--b-1\r\nX: ${'x'.repeat(9_000)}\r\n\r\nbody\r\n--b-1--`
  const many = `${'--b-1\r\n\r\n\r\n'.repeat(11)}--b-1--`
  const long = `--b-1\r\n\r\n${'x'.repeat(100)}\r\n--b-1--`
  for (const size of [1, 1_000, 100_000]) {
    await t.rejects(read(head, { size }), cut, 'a head')
    await t.rejects(read(many, { size }), cut, 'parts')
    await t.rejects(read(long, { size, maxPartBytes: 99 }), cut, 'a part')
    await t.rejects(
      read(long.replace('\r\n\r\n', '\r\ncontent-length:100\r\n\r\n'), { size, maxPartBytes: 99 }),
      cut,
    )
    t.equal((await read(long, { size, maxPartBytes: 100 }))[0]?.body.length, 100)
  }
  await t.rejects(read(`${'x'.repeat(70_000)}\r\n--b-1--`, { size: 1_000 }), cut, 'a preamble')
  const asked = { bytes: 0 }
  const epilogue = pieces(Buffer.from(`--b-1--${'x'.repeat(10_000_000)}`), 1_000, asked)
  for await (const _ of readParts(epilogue, BOUNDARY, { fault, maxParts: 1 }));
  t.ok(asked.bytes < 100_000, 'an epilogue is not read to its end')
})

t.test('leaving early ends what the bytes come from', async (t) => {
  let ended = false
  const endless = async function* () {
    try {
      yield Buffer.from('--b-1\r\n\r\n')
      for (;;) yield Buffer.alloc(1000)
    } finally {
      ended = true
    }
  }
  for await (const _ of readParts(endless(), BOUNDARY, { fault, maxParts: 1 })) break
  t.ok(ended)
})

t.test('a boundary of special characters is no pattern', async (t) => {
  const boundary = "a.b+c(d)'/=? :_,-"
  t.same(await read(`--${boundary}\r\n\r\nx\r\n--${boundary}--`, { boundary }), [
    { type: undefined, body: 'x' },
  ])
})

t.test('bytes that begin like the boundary again and again are searched once', async (t) => {
  // A search that went back to the first byte each time would look at 2 GB here.
  const almost = Buffer.from('\r\n--b-'.repeat(10_000), 'latin1')
  const bytes = Buffer.concat([Buffer.from('--b-1\r\n\r\n'), almost, Buffer.from('\r\n--b-1--')])
  const began = process.cpuUsage()
  t.equal((await read(bytes, { size: 6 }))[0]?.body.length, almost.length)
  const { user, system } = process.cpuUsage(began)
  t.ok(user + system < 5_000_000)
})
