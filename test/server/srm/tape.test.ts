import t, { type Test } from 'tap'
import { durationSeconds } from '@mdm/server/srm/tape/duration'
import { sends, until } from '../deliver/fixture.ts'
import { BASE, bob, volumesOf, world, type WorldOptions } from './fixture.ts'
import { jsonOf, storageElement, type Got } from './listener.ts'

const NOBODYS = '/mdm/00000000-0000-4000-8000-000000000000'

async function site(t: Test, o: Partial<WorldOptions> = {}) {
  const w = await world(t, { volumes: volumesOf(2), ...o })
  const ask = await storageElement(t, w)
  const path = (i: number) => `/mdm/${w.volumes[i]!.record.guid}`
  const post = (url: string, body: unknown, as?: typeof bob, text?: string) =>
    ask(`/tape/v1${url}`, {
      ...{ method: 'POST', body },
      ...(as === undefined ? {} : { as }),
      ...(text === undefined ? {} : { text }),
    })
  const stage = async (...paths: string[]) =>
    jsonOf(await post('/stage/', { files: paths.map((each) => ({ path: each })) })).requestId as string
  const status = async (id: string) => jsonOf(await ask(`/tape/v1/stage/${id}`))
  const completed = async (id: string) => {
    for (const end = performance.now() + 60_000; performance.now() < end;) {
      const found = await status(id)
      if (found.completedAt !== undefined) return found
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    throw new Error('it was not completed within a minute')
  }
  return { ...w, ask, path, post, stage, status, completed }
}

const codeOf = (got: Got) => jsonOf(got).code

t.test('the interface is found where clients look for it', async (t) => {
  const { ask } = await site(t)
  const got = await ask('/.well-known/wlcg-tape-rest-api')
  t.match(got, { status: 200, headers: { 'content-type': /^application\/json/ } })
  t.match(jsonOf(got), {
    ...{ sitename: 'demo', description: String },
    endpoints: [{ uri: `${BASE}/tape/v1`, version: 'v1', metadata: {} }],
  })
  const { uri } = jsonOf(got).endpoints[0]
  t.equal((await ask(`${uri}/archiveinfo`, { method: 'POST', body: { paths: [NOBODYS] } })).status, 200)
})

t.test(
  'what is staged is fetched from its source, read by its path from the spool, and released',
  async (t) => {
    const gate = Promise.withResolvers<void>()
    const { ask, path, post, status, completed, volumes, reads, audited, requests, delivery } = await site(
      t,
      {
        script: (volume) => sends(volume, [0, 1], () => gate.promise),
      },
    )
    const created = await post('/stage/', {
      files: [{ path: path(0), diskLifetime: 'PT2H', targetedMetadata: { any: 'thing' } }, { path: path(1) }],
    })
    t.equal(created.status, 201)
    const { requestId } = jsonOf(created)
    t.equal(created.headers['location'], `${BASE}/tape/v1/stage/${requestId}`)
    const begun = await status(requestId)
    t.match(begun, { id: requestId, createdAt: Number, startedAt: Number })
    t.notOk(begun.completedAt)
    t.strictSame(begun.files, [
      { path: path(0), onDisk: false, state: 'STARTED' },
      { path: path(1), onDisk: false, state: 'STARTED' },
    ])
    gate.resolve()
    const { files } = await completed(requestId)
    t.strictSame(files, [
      { path: path(0), onDisk: true, state: 'COMPLETED' },
      { path: path(1), onDisk: true, state: 'COMPLETED' },
    ])
    const [pinned] = (await requests.find(aliceOf(audited), 'stage', requestId)).files
    t.notOk(pinned!.turl, 'it has no other URL than its own')
    t.ok(pinned!.pinnedUntil!.getTime() - Date.now() > 7_000_000, 'the longest lifetime asked for')
    t.equal((await ask(path(0))).body.length, volumes[0]!.record.containerBytes)
    t.equal(reads(0), 1)
    t.match(await post(`/release/${requestId}`, { paths: [path(0)] }), { status: 200, body: { length: 0 } })
    t.match((await status(requestId)).files, [
      { onDisk: false, state: 'COMPLETED' },
      { onDisk: true, state: 'COMPLETED' },
    ])
    await until(() => delivery.counts().spoolIdleBytes > 0)
  },
)

t.test('a file may fail beside others, and says only what its caller may know', async (t) => {
  const { path, stage, completed, rights, volumes } = await site(t)
  rights.read.set('*', new Set([volumes[1]!.record.guid]))
  const { files } = await completed(await stage(NOBODYS, path(0), path(1), '/etc/passwd', `/mdm/%zz`))
  t.match(
    files.map(({ state, error }: { state: string; error?: string }) => error ?? state),
    [/^MDM_NOT_FOUND/, /^MDM_DENIED/, 'COMPLETED', /^MDM_NOT_FOUND/, /^MDM_NOT_FOUND/],
  )
  t.equal(files[0].error, files[3].error)
  rights.list.set('*', new Set())
  const [hidden, none] = (await completed(await stage(path(0), NOBODYS))).files
  t.strictSame({ ...hidden, path: '' }, { ...none, path: '' })
})

t.test('a request is cancelled in part or as a whole, and is its caller’s alone', async (t) => {
  const never = new Promise<void>(() => {})
  const { ask, path, post, stage, status, requests } = await site(t, {
    script: (volume) => sends(volume, [0], () => never),
  })
  const id = await stage(path(0), path(1))
  t.equal((await post(`/stage/${id}/cancel`, { paths: [path(0)] })).status, 200)
  t.match((await status(id)).files, [{ state: 'CANCELLED' }, { state: 'STARTED' }])
  for (const url of [`/stage/${id}/cancel`, `/release/${id}/`]) {
    t.equal(codeOf(await post(url, { paths: [path(0), NOBODYS] })), 'MDM_BAD_REQUEST', 'of another request')
    t.equal(codeOf(await post(url, { paths: [path(0)] }, bob)), 'MDM_NOT_FOUND')
  }
  t.equal((await ask(`/tape/v1/stage/${id}`, { as: bob })).status, 404)
  t.equal((await ask(`/tape/v1/stage/${id}`, { as: bob, method: 'DELETE' })).status, 404)
  t.match((await status(id)).files, [{ state: 'CANCELLED' }, { state: 'STARTED' }])
  t.equal((await ask(`/tape/v1/stage/${id}/`, { method: 'DELETE' })).status, 200)
  for (const method of ['GET', 'DELETE'])
    t.equal((await ask(`/tape/v1/stage/${id}`, { method })).status, 404, 'it is forgotten')
  t.match(requests.counts(), { openRequests: 0 })
  t.equal((await ask('/tape/v1/stage/gfal2-placeholder-id')).status, 404)
})

t.test('where a volume is, is told to those who may know of it', async (t) => {
  const { path, post, stage, completed, rights, volumes, audited } = await site(t)
  await completed(await stage(path(0)))
  const infos = async (...paths: string[]) => jsonOf(await post('/archiveinfo/', { paths }))
  const { error } = (await infos(NOBODYS))[0]
  t.match(error, /^MDM_NOT_FOUND: /)
  t.strictSame(await infos(path(0), path(1), NOBODYS, '/'), [
    { path: path(0), locality: 'DISK_AND_TAPE' },
    { path: path(1), locality: 'TAPE' },
    { path: NOBODYS, locality: 'NONE', error },
    { path: '/', locality: 'NONE', error },
  ])
  t.match(audited.at(-1), { event: 'request-refused', code: 'MDM_NOT_FOUND' })
  rights.gone.add(volumes[0]!.record.guid)
  t.match(await infos(path(0)), [{ locality: 'UNAVAILABLE' }])
  rights.list.set('*', new Set())
  t.match(await infos(path(0), path(1)), [{ locality: 'NONE' }, { locality: 'NONE' }])
})

t.test('a file that is not on disk any more says so, since clients would ask for ever', async (t) => {
  let now = new Date('2026-01-01T00:00:00Z')
  const never = new Promise<void>(() => {})
  const { path, post, stage, status, completed, requests } = await site(t, {
    ...{ volumes: volumesOf(3), now: () => now },
    script: (volume, i) => sends(volume, [0, 1], i === 2 ? () => never : undefined),
  })
  const id = await stage(path(0), path(1), path(2))
  await until(() => requests.counts().pinnedFiles === 2)
  await post(`/release/${id}`, { paths: [path(0)] })
  await post(`/stage/${id}/cancel`, { paths: [path(2)] })
  now = new Date('2026-01-01T01:00:00Z')
  t.match((await status(id)).files, [
    { onDisk: false, state: 'COMPLETED', error: 'it was released' },
    { onDisk: false, state: 'COMPLETED', error: /^its time is over/ },
    { onDisk: false, state: 'CANCELLED', error: 'it was cancelled' },
  ])
  t.notOk((await completed(await stage(path(0)))).files[0].error)
})

t.test('a release without the name of a request is of all the caller’s', async (t) => {
  const { path, post, stage, status, completed } = await site(t)
  const [one, both] = [await stage(path(0)), await stage(path(0), `/mdm//${path(1).slice(5)}`)]
  for (const id of [one, both]) await completed(id)
  const release = async (as: typeof bob | undefined, ...paths: string[]) =>
    (await post('/release/gfal2-placeholder-id', { paths }, as)).status
  t.equal(await release(bob, path(0)), 400)
  t.equal(await release(undefined, path(0), NOBODYS), 400)
  t.equal(await release(undefined, path(0)), 200)
  t.match((await status(one)).files, [{ onDisk: false }])
  t.match((await status(both)).files, [{ onDisk: false }, { onDisk: true }])
  t.equal((await post(`/release/${both}`, { paths: [path(1)] })).status, 200, 'by any form of its path')
  t.match((await status(both)).files, [{ onDisk: false }, { onDisk: false }])
})

t.test('what has not the form of the interface is refused', async (t) => {
  const { ask, path, post } = await site(t)
  const many = Array.from({ length: 1_001 }, () => ({ path: path(0) }))
  const bodies = [
    ...[{}, { files: [] }, { files: [{ path: 7 }] }, { files: 'all' }, { files: many }, []],
    ...[{ files: [{ path: path(0), diskLifetime: 'for ever' }] }, { files: [{ path: '/a\0' }] }],
  ]
  for (const body of bodies)
    t.equal(codeOf(await post('/stage', body)), 'MDM_BAD_REQUEST', JSON.stringify(body).slice(0, 80))
  const large = { files: [{ path: path(0), targetedMetadata: 'x'.repeat(1_100_000) }] }
  t.equal(codeOf(await post('/stage', large)), 'MDM_BAD_REQUEST')
  t.equal((await ask('/tape/v1/stage', { method: 'POST' })).status, 400)
  for (const text of ['{"files": [', '', 'null', '[]', '"\\ud800"'])
    t.equal(codeOf(await post('/stage', undefined, undefined, text)), 'MDM_BAD_REQUEST', text)
  t.equal((await post('/archiveinfo', { paths: many.map((file) => file.path) })).status, 400)
  t.equal((await ask(`/tape/v1/stage/${'x'.repeat(65)}`)).status, 400)
})

t.test('durations are read as ISO 8601 has them', async (t) => {
  const seconds = {
    PT1S: 1,
    PT1M: 60,
    P1D: 86_400,
    P1DT2H3M4S: 93_784,
    P1W: 604_800,
    P1M: 2_592_000,
    P1Y: 31_536_000,
  }
  for (const [text, length] of Object.entries({ ...seconds, 'PT0.5S': 0, PT36H: 129_600 }))
    t.equal(durationSeconds(text), length, text)
  for (const text of ['', 'P', 'PT', '1D', 'P1H', 'P-1D', 'PT1S1M', 'P1DT', ' P1D'])
    t.equal(durationSeconds(text), undefined, text)
})

/** Who asked, as the log has it: alice, by her certificate. */
function aliceOf(audited: Record<string, unknown>[]) {
  return { kind: 'user', ...(audited[0]!['caller'] as object) } as typeof bob
}
