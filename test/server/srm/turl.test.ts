import t, { type Test } from 'tap'
import { plaintextDigest } from '../deliver/fixture.ts'
import { alice, bob, finished, volumesOf, world, type WorldOptions } from './fixture.ts'
import { storageElement, type Got } from './listener.ts'

/** A pinned volume and a listener that gives it. */
async function pinned(t: Test, o: Partial<WorldOptions> & { recheckMs?: number } = {}) {
  const { recheckMs, ...rest } = o
  const w = await world(t, { volumes: volumesOf(2), ...rest })
  const ask = await storageElement(t, w, recheckMs === undefined ? {} : { recheckMs })
  const request = await finished(w, alice, await w.get(alice, 0))
  return { ...w, ask, request, turl: request.files[0]!.turl!, guid: w.volumes[0]!.record.guid }
}

/** What no two refusals may differ in. */
const refusal = ({ status, headers: { date: _, 'mdm-request-id': __, ...headers }, body }: Got) => ({
  ...{ status, headers },
  body: body.toString(),
})

t.test(
  'a URL gives its container as the path of the volume does, and each get is in the audit log',
  async (t) => {
    const { ask, turl, guid, volumes, audited } = await pinned(t)
    const got = await ask(turl)
    const { containerBytes } = volumes[0]!.record
    t.match(got, { status: 200, complete: true, headers: { 'content-length': String(containerBytes) } })
    t.equal(await plaintextDigest(got.body, volumes[0]!), volumes[0]!.sha256)
    const direct = await ask(`/mdm/${guid}`)
    t.ok(direct.body.equals(got.body))
    const { date: _, 'mdm-request-id': __, 'server-timing': ___, ...same } = direct.headers
    t.match(got.headers, same)
    const part = await ask(turl, { headers: { range: 'bytes=100-299', 'if-range': got.headers['etag']! } })
    t.match(part, { status: 206, headers: { 'content-range': `bytes 100-299/${containerBytes}` } })
    t.ok(part.body.equals(got.body.subarray(100, 300)))
    t.match(await ask(turl, { headers: { range: `bytes=${containerBytes}-` } }), { status: 416 })
    const released = audited.filter(({ event }) => event === 'volume.get')
    t.match(released[0], { outcome: 'done', guid, caller: { dn: 'CN=alice' }, facts: { start: 0 } })
    t.match(released.at(-1), { facts: { start: 100, end: 300 } })
  },
)

t.test(
  'HEAD, PROPFIND and OPTIONS are as the path of the volume has them, and nothing is written',
  async (t) => {
    const { ask, turl, guid, volumes } = await pinned(t)
    const head = await ask(turl, { method: 'HEAD', headers: { 'want-digest': 'adler32' } })
    const length = String(volumes[0]!.record.containerBytes)
    t.match(head, { status: 200, headers: { 'content-length': length, digest: /^adler32=[0-9a-f]{8}$/ } })
    t.equal(head.body.length, 0)
    const properties = await ask(turl, { method: 'PROPFIND', headers: { depth: '0' } })
    t.equal(properties.status, 207)
    t.match(properties.body.toString(), `<D:getcontentlength>${length}<`)
    t.match(properties.body.toString(), `/${guid}</D:href>`)
    t.match(await ask(turl, { method: 'OPTIONS' }), { status: 200, headers: { allow: /GET, HEAD/ } })
    for (const method of ['PUT', 'DELETE', 'MOVE']) t.equal((await ask(turl, { method })).status, 405, method)
  },
)

t.test(
  'of another, of another volume, changed, released, revoked, gone or ended, a URL is none',
  async (t) => {
    let now = new Date('2026-01-01T00:00:00Z')
    const { ask, turl, guid, volumes, rights, request, requests, surl, get, ...w } = await pinned(t, {
      now: () => now,
    })
    const never = refusal(await ask(`/turl/${'A'.repeat(43)}/${guid}`))
    t.match(never, { status: 404, body: /MDM_NOT_FOUND/ })
    const refused = async (what: string, url = turl, as = alice) => {
      t.strictSame(refusal(await ask(url, { as })), never, what)
      for (const method of ['HEAD', 'PROPFIND']) t.equal((await ask(url, { as, method })).status, 404, method)
    }
    const works = async () => t.equal((await ask(turl)).status, 200)
    await works()
    await refused('another caller, who may read the volume', turl, bob)
    await refused('another volume', turl.replace(guid, volumes[1]!.record.guid))
    await refused('another token', turl.replace('/turl/', '/turl/x'))
    await refused('the token of the request', turl.replace(/turl\/[^/]+/, `turl/${request.token}`))
    const all = rights.read.get('*')!
    rights.read.set('*', new Set())
    await refused('the right to read has gone')
    rights.read.set('*', all)
    const listed = rights.list.get('*')!
    rights.list.set('*', new Set())
    await refused('nor may its existence be known')
    rights.list.set('*', listed)
    rights.gone.add(guid)
    await refused('the hospital has it no more')
    rights.gone.clear()
    await works()
    now = new Date('2026-01-01T01:00:00Z')
    await refused('its pin has ended')
    const again = await finished({ requests }, alice, await get(alice, 0, 1))
    const [first, second] = again.files.map((file) => file.turl!) as [string, string]
    await requests.release(alice, 'get', again.token, [surl(0)])
    await refused('it was released', first)
    t.equal((await ask(second)).status, 200)
    await requests.release(alice, 'get', again.token)
    await refused('it was aborted', second)
    rights.banned.add('CN=alice')
    t.equal((await ask(second)).status, 403, 'who is banned is told so by the listener')
    t.ok(w.db)
  },
)

t.test('a transfer under way is cut when its file is let go of, or the right has gone', async (t) => {
  const volumes = volumesOf(1, { columns: 1024, rows: 1024, slices: 10 })
  const ends: Record<string, (w: Awaited<ReturnType<typeof pinned>>) => unknown> = {
    revoked: ({ rights }) => rights.read.set('*', new Set()),
    banned: ({ rights }) => rights.banned.add('CN=alice'),
    released: ({ requests, request }) => requests.release(alice, 'get', request.token),
    removed: ({ requests, request }) => requests.remove(alice, 'get', request.token),
  }
  for (const [what, end] of Object.entries(ends)) {
    const w = await pinned(t, { volumes, recheckMs: 20 })
    const got = await w.ask(w.turl, { begun: () => void end(w), slowly: true })
    t.match(got, { status: 200, complete: false }, what)
    t.ok(got.body.length < volumes[0]!.record.containerBytes)
  }
})

t.test('a transfer that has begun outlives its pin and its request, and no other begins then', async (t) => {
  const volumes = volumesOf(1, { columns: 1024, rows: 1024, slices: 10 })
  let now = new Date()
  const w = await pinned(t, { volumes, recheckMs: 20, now: () => now })
  const end = async () => {
    now = new Date(now.getTime() + 3_600_000)
    t.equal((await w.ask(w.turl)).status, 404, 'after its pin')
    now = new Date(now.getTime() + 86_400_000)
    await t.rejects(w.requests.find(alice, 'get', w.request.token), { code: 'MDM_NOT_FOUND' })
    t.equal(w.requests.counts().pinnedBytes, 0)
  }
  const ended = Promise.withResolvers<void>()
  const got = await w.ask(w.turl, { begun: () => void end().then(ended.resolve, ended.reject), slowly: true })
  await ended.promise
  t.match(got, { status: 200, complete: true })
  t.equal(await plaintextDigest(got.body, volumes[0]!), volumes[0]!.sha256)
})
