import t from 'tap'
import { MdmError } from '@mdm/core/errors'
import { sends, until } from '../deliver/fixture.ts'
import { alice, BASE, bob, finished, person, SET, states, tokenOfTurl, volumesOf, world } from './fixture.ts'

const requestId = 'r'.repeat(32)

t.test(
  'what is asked for is read from its source, pinned, and given a URL for its caller alone',
  async (t) => {
    const w = await world(t, { volumes: volumesOf(2) })
    const first = await w.get(alice, 0, 1)
    t.match(first.token, /^[A-Za-z0-9_-]{43}$/)
    const done = await finished(w, alice, first)
    t.strictSame(states(done), ['READY', 'READY'])
    for (const [i, file] of done.files.entries()) {
      const { record } = w.volumes[i]!
      t.equal(file.surl, w.surl(i))
      t.equal(file.bytes, record.containerBytes)
      t.ok(file.turl!.startsWith(`${BASE}/turl/`) && file.turl!.endsWith(`/${record.guid}`))
      t.match(w.requests.turlOf(alice, tokenOfTurl(file.turl)), { guid: record.guid, version: 1 })
      t.equal(w.requests.turlOf(bob, tokenOfTurl(file.turl)), undefined)
    }
    t.match(done, { kind: 'get', created: Date, started: Date, finished: Date })
    t.match(w.audited, [
      {
        event: 'preparation-asked',
        outcome: 'done',
        requestId,
        facts: { kind: 'get', files: 2, refused: 0 },
      },
    ])
    t.match(w.requests.counts(), {
      ...{ openRequests: 1, waitingFiles: 0, pinnedFiles: 2 },
      pinnedBytes: w.volumes[0]!.record.containerBytes + w.volumes[1]!.record.containerBytes,
    })
  },
)

t.test('what lies in the spool is READY in the first answer', async (t) => {
  const w = await world(t, { volumes: volumesOf(1) })
  await finished(w, alice, await w.get(alice, 0))
  t.strictSame(states(await w.get(bob, 0)), ['READY'])
  t.equal(w.reads(0), 1)
})

t.test('a slow source is waited for by the same token, and asked once by all who want it', async (t) => {
  const gate = Promise.withResolvers<void>()
  const w = await world(t, {
    volumes: volumesOf(1),
    script: (volume) => sends(volume, [0, 1], () => gate.promise),
  })
  const mine = await w.get(alice, 0)
  t.match(mine.files, [{ state: 'IN_PROGRESS', waitSeconds: 1 }])
  t.notOk(mine.files[0]!.turl)
  const theirs = await w.get(bob, 0)
  t.strictSame(states(theirs), ['IN_PROGRESS'])
  gate.resolve()
  t.strictSame(states(await finished(w, alice, mine)), ['READY'])
  t.strictSame(states(await finished(w, bob, theirs)), ['READY'])
  t.equal(w.reads(0), 1)
})

t.test('a file is refused before its source is asked, and the others go on', async (t) => {
  const w = await world(t, { volumes: volumesOf(4) })
  const [first, second, third, fourth] = w.volumes.map(({ record }) => record.guid)
  w.rights.list.set('*', new Set([second!, third!, fourth!]))
  w.rights.read.set('*', new Set([first!, third!, fourth!]))
  w.rights.gone.add(third!)
  const request = await w.requests.open(alice, {
    ...{ kind: 'get', requestId },
    files: [
      { surl: '/nonsense', name: undefined },
      ...w.asked(0, 1, 2, 3),
      { surl: `/mdm/${SET}`, name: { guid: SET } },
    ],
  })
  const done = await finished(w, alice, request)
  const [nonsense, unknown] = done.files
  t.match(
    done.files.map(({ state, code }) => code ?? state),
    ['MDM_NOT_FOUND', 'MDM_NOT_FOUND', 'MDM_DENIED', 'MDM_GONE', 'READY', 'MDM_NOT_FOUND'],
  )
  t.strictSame({ ...unknown, surl: '' }, { ...nonsense, surl: '' }, 'what may not be known is as what is not')
  t.strictSame([0, 1, 2, 3].map(w.reads), [0, 0, 0, 1])
  t.match(w.audited, [{ facts: { files: 6, refused: 5 } }])
})

t.test(
  'a failed preparation fails everyone who waits for it; who comes later has it begun anew',
  async (t) => {
    let good = false
    const w = await world(t, {
      volumes: volumesOf(1),
      script: (volume) => (asked, attempt, signal) =>
        sends(volume, good ? [0, 1] : [0])(asked, attempt, signal),
    })
    const [mine, theirs] = await Promise.all([w.get(alice, 0), w.get(bob, 0)])
    for (const [caller, request] of [
      [alice, mine],
      [bob, theirs],
    ] as const)
      t.match((await finished(w, caller, request)).files, [
        { state: 'FAILED', code: 'MDM_SOURCE_INCOMPLETE' },
      ])
    good = true
    t.strictSame(states(await finished(w, alice, await w.get(alice, 0))), ['READY'])
  },
)

t.test('key servers that are late are asked again; those that stay away fail the file', async (t) => {
  const volumes = volumesOf(2)
  const late = new Map([
    [volumes[0]!.record.guid, 4],
    [volumes[1]!.record.guid, Infinity],
  ])
  const w = await world(t, {
    ...{ volumes, againMs: 10 },
    delivery: {
      keys: {
        async fetch({ guid }) {
          const left = late.get(guid)!
          late.set(guid, left - 1)
          if (left > 0) throw new MdmError('MDM_BELOW_THRESHOLD')
          return volumes.find(({ record }) => record.guid === guid)!.fileKey
        },
      },
    },
  })
  const { files } = await finished(w, alice, await w.get(alice, 0, 1))
  t.match(files, [{ state: 'READY' }, { state: 'FAILED', code: 'MDM_BELOW_THRESHOLD' }])
})

t.test(
  'a token is its caller’s alone, by whichever certificate or proxy, and of its kind alone',
  async (t) => {
    const w = await world(t, { volumes: volumesOf(1) })
    const { token, files } = await finished(w, alice, await w.get(alice, 0))
    const turl = tokenOfTurl(files[0]!.turl)
    const proxy = person('alice', { spki: 'f'.repeat(64), proxy: 'full', notAfter: new Date('2099-01-01') })
    t.strictSame(states(await w.requests.find(proxy, 'get', token)), ['READY'])
    t.ok(w.requests.turlOf(proxy, turl))
    const otherCa = person('alice', { issuer: 'CN=another ca' as never })
    for (const caller of [bob, otherCa]) {
      const refused = { code: 'MDM_NOT_FOUND', message: /^no such volume/ }
      await t.rejects(w.requests.find(caller, 'get', token), refused)
      await t.rejects(w.requests.release(caller, 'get', token), refused)
      await t.rejects(w.requests.remove(caller, 'get', token), refused)
      await t.rejects(w.requests.extend(caller, 'get', token, { seconds: 10 }), refused)
      t.equal(w.requests.turlOf(caller, turl), undefined)
    }
    await t.rejects(w.requests.find(alice, 'stage', token), { code: 'MDM_NOT_FOUND' })
    await t.rejects(w.requests.find(alice, 'get', `${token.slice(0, -1)}_`), { code: 'MDM_NOT_FOUND' })
    t.equal(w.requests.turlOf(alice, token), undefined, 'the token of the request is no token of a URL')
  },
)

t.test(
  'a credential that is narrowed acts on what it is narrowed to, and on what it asked for itself',
  async (t) => {
    const w = await world(t, { volumes: volumesOf(2) })
    const narrowed = (...of: number[]) =>
      person('alice', {
        ...{ spki: 'f'.repeat(64), proxy: 'restricted' },
        limits: { guids: of.map((i) => w.volumes[i]!.record.guid), operations: ['read-file'] },
      })
    const both = await finished(w, alice, await w.get(alice, 0, 1))
    const one = await finished(w, alice, await w.get(alice, 0))
    const [job, other] = [narrowed(0), narrowed(1)]
    await t.rejects(w.requests.find(job, 'get', both.token), { code: 'MDM_NOT_FOUND' })
    await t.rejects(w.requests.release(other, 'get', one.token), { code: 'MDM_NOT_FOUND' })
    t.equal(w.requests.turlOf(other, tokenOfTurl(one.files[0]!.turl)), undefined)
    t.strictSame(states(await w.requests.find(job, 'get', one.token)), ['READY'])
    t.ok(w.requests.turlOf(job, tokenOfTurl(one.files[0]!.turl)))
    t.ok(w.requests.turlOf(job, tokenOfTurl(both.files[0]!.turl)), 'a URL is of one file')
    t.equal(w.requests.turlOf(job, tokenOfTurl(both.files[1]!.turl)), undefined)
    const files = [...w.asked(0), { surl: '/nonsense', name: undefined }]
    const own = await w.requests.open(job, { kind: 'get', files, requestId })
    t.strictSame(states(await finished(w, narrowed(0), own)), ['READY', 'FAILED'])
    await t.rejects(w.requests.find(other, 'get', own.token), { code: 'MDM_NOT_FOUND' })
    t.strictSame(states(await w.requests.find(alice, 'get', own.token)), ['READY', 'FAILED'])
  },
)

t.test('the store holds nothing that can be used', async (t) => {
  const w = await world(t, { volumes: volumesOf(1) })
  const { token, files } = await finished(w, alice, await w.get(alice, 0))
  const rows = JSON.stringify([
    await w.db.selectFrom('srm_requests').selectAll().execute(),
    await w.db.selectFrom('srm_files').selectAll().execute(),
  ])
  t.match(rows, w.volumes[0]!.record.guid)
  t.notMatch(rows, token)
  t.notMatch(rows, tokenOfTurl(files[0]!.turl))
})

t.test('a file that is released, by any form of its name, is let go of and its URL dead', async (t) => {
  const w = await world(t, { volumes: volumesOf(3) })
  const { token, files } = await finished(w, alice, await w.get(alice, 0, 1, 2))
  const { guid } = w.volumes[1]!.record
  const full = `srm://site.example:8446/srm/managerv2?SFN=/mdm/${guid}`
  const released = await w.requests.release(alice, 'get', token, [full, 'srm://elsewhere/mdm/none'])
  t.strictSame(states(released), ['READY', 'RELEASED', 'READY'])
  t.notOk(released.files[1]!.turl)
  t.equal(w.requests.turlOf(alice, tokenOfTurl(files[1]!.turl)), undefined)
  t.ok(w.requests.turlOf(alice, tokenOfTurl(files[2]!.turl)))
  await until(() => w.delivery.counts().spoolIdleBytes === w.volumes[1]!.record.containerBytes)
  t.strictSame(states(await w.requests.release(alice, 'get', token)), ['RELEASED', 'RELEASED', 'RELEASED'])
  t.match(w.requests.counts(), { openRequests: 0, pinnedFiles: 0, pinnedBytes: 0 })
})

t.test(
  'a name is what it means: with other slashes, letters, encodings, and twice in a request',
  async (t) => {
    const w = await world(t, { volumes: volumesOf(2) })
    const { guid } = w.volumes[0]!.record
    const files = [
      ...w.asked(0, 1),
      { surl: `srm://site.example//mdm//${guid.toUpperCase()}`, name: { guid } },
    ]
    const { token } = await finished(
      w,
      alice,
      await w.requests.open(alice, { kind: 'get', files, requestId }),
    )
    for (const other of [
      `srm://site.example/mdm/../mdm/${guid}`,
      `srm://site.example/mdm/${guid}@1`,
      guid,
      '',
    ])
      t.strictSame(
        states(await w.requests.release(alice, 'get', token, [other])),
        ['READY', 'READY', 'READY'],
        other,
      )
    const encoded = `srm://site.example/mdm/%${guid.charCodeAt(0).toString(16)}${guid.slice(1)}`
    const released = await w.requests.release(alice, 'get', token, [encoded, encoded, w.surl(0)])
    t.strictSame(states(released), ['RELEASED', 'READY', 'RELEASED'])
  },
)

t.test('files are released by name in every request of their caller, and nobody else’s', async (t) => {
  const never = new Promise<void>(() => {})
  const w = await world(t, {
    volumes: volumesOf(3),
    script: (volume, i) => sends(volume, [0, 1], i === 2 ? () => never : undefined),
  })
  const mine = [await w.get(alice, 0, 1), await w.get(alice, 0), await w.get(alice, 2)]
  const theirs = await finished(w, bob, await w.get(bob, 0))
  for (const request of mine.slice(0, 2)) await finished(w, alice, request)
  const narrowed = person('alice', {
    ...{ spki: 'f'.repeat(64), proxy: 'restricted' },
    limits: { guids: [w.volumes[1]!.record.guid], operations: ['read-file'] },
  })
  const names = [w.surl(0), w.surl(2), 'srm://site.example/mdm/none']
  t.strictSame(await w.requests.releaseNamed(narrowed, 'get', names), [undefined, undefined, undefined])
  t.strictSame(await w.requests.releaseNamed(alice, 'stage', names), [undefined, undefined, undefined])
  t.match(await w.requests.releaseNamed(alice, 'get', names), [
    { state: 'RELEASED' },
    { state: 'IN_PROGRESS' },
    undefined,
  ])
  const after = await Promise.all(mine.map(({ token }) => w.requests.find(alice, 'get', token)))
  t.strictSame(after.map(states), [['RELEASED', 'READY'], ['RELEASED'], ['IN_PROGRESS']])
  t.strictSame(states(await w.requests.find(bob, 'get', theirs.token)), ['READY'])
  t.match(await w.requests.releaseNamed(alice, 'get', [w.surl(0)]), [{ state: 'RELEASED' }], 'again')
  const restarted = await w.restart()
  t.strictSame(states(await restarted.requests.find(alice, 'get', mine[1]!.token)), ['RELEASED'])
})

t.test('a request that is removed is known to nobody any more, after a restart neither', async (t) => {
  const w = await world(t, { volumes: volumesOf(2), limits: { openFiles: 2 } })
  const { token, files } = await finished(w, alice, await w.get(alice, 0, 1))
  await w.requests.remove(alice, 'get', token)
  await t.rejects(w.requests.find(alice, 'get', token), { code: 'MDM_NOT_FOUND' })
  t.equal(w.requests.turlOf(alice, tokenOfTurl(files[0]!.turl)), undefined)
  t.strictSame(await w.db.selectFrom('srm_files').selectAll().execute(), [])
  t.match(w.requests.counts(), { openRequests: 0, pinnedBytes: 0 })
  t.strictSame(states(await w.get(alice, 0, 1)), ['READY', 'READY'], 'and counts for nothing')
})

t.test('what was asked for by a caller who has gone before the answer is let go of', async (t) => {
  const never = new Promise<void>(() => {})
  const w = await world(t, {
    volumes: volumesOf(2),
    script: (volume, i) => sends(volume, [0, 1], i === 1 ? () => never : undefined),
  })
  const gone = new AbortController()
  const asked = w.requests.open(alice, {
    ...{ kind: 'get', files: w.asked(0, 1), requestId, signal: gone.signal },
  })
  await until(() => w.reads(1) === 1)
  gone.abort(new MdmError('MDM_UNREACHABLE'))
  await t.rejects(asked, { code: 'MDM_UNREACHABLE' })
  t.match(w.requests.counts(), { openRequests: 0, waitingFiles: 0, pinnedFiles: 0, pinnedBytes: 0 })
  t.strictSame(await w.db.selectFrom('srm_requests').selectAll().execute(), [])
})

t.test('a source that does not answer is asked again; one that stays away fails the file', async (t) => {
  const w = await world(t, {
    ...{ volumes: volumesOf(2), againMs: 10 },
    script: (volume, i) => (asked, attempt, signal) => {
      if (i === 1 || w.reads(i) < 5) throw new MdmError('MDM_SOURCE_UNREACHABLE')
      return sends(volume, [0, 1])(asked, attempt, signal)
    },
  })
  const { files } = await finished(w, alice, await w.get(alice, 0, 1))
  t.match(files, [{ state: 'READY' }, { state: 'FAILED', code: 'MDM_SOURCE_UNREACHABLE' }])
})

t.test('what waits for a server that is late is not hurried by what others let go of', async (t) => {
  const w = await world(t, {
    ...{ volumes: volumesOf(2), againMs: 60_000 },
    script: (volume, i) => (asked, attempt, signal) => {
      if (i === 1) throw new MdmError('MDM_SOURCE_UNREACHABLE')
      return sends(volume, [0, 1])(asked, attempt, signal)
    },
  })
  const { token } = await w.get(alice, 1)
  const state = async () => states(await w.requests.find(alice, 'get', token))[0]
  while (w.reads(1) === 0 || (await state()) !== 'QUEUED') await new Promise((done) => setTimeout(done, 5))
  const before = w.reads(1)
  for (let i = 0; i < 10; i++) {
    const { token: other } = await finished(w, bob, await w.get(bob, 0))
    await w.requests.release(bob, 'get', other)
  }
  t.equal(w.reads(1), before)
  t.equal(await state(), 'QUEUED')
})

t.test(
  'what is aborted before it is there leaves its source alone, unless somebody else waits',
  async (t) => {
    const stopped: number[] = []
    const w = await world(t, {
      volumes: volumesOf(2),
      script: (volume, i) =>
        async function* (_asked, _attempt, signal) {
          yield volume.instance(0)
          await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
          stopped.push(i)
          signal.throwIfAborted()
        },
      delivery: { idleMs: 20 },
    })
    const mine = await w.get(alice, 0, 1)
    t.strictSame(states(mine), ['IN_PROGRESS', 'IN_PROGRESS'])
    const theirs = await w.get(bob, 1)
    t.strictSame(states(await w.requests.release(alice, 'get', mine.token)), ['ABORTED', 'ABORTED'])
    await until(() => stopped.length > 0)
    await new Promise((resolve) => setTimeout(resolve, 100))
    t.strictSame(stopped, [0])
    t.strictSame(states(await w.requests.find(bob, 'get', theirs.token)), ['IN_PROGRESS'])
  },
)

t.test('a request is of something, of not too much, and of names that a store takes', async (t) => {
  const w = await world(t, { volumes: volumesOf(1), limits: { filesPerRequest: 2 } })
  const open = (files: { surl: string; name: undefined }[]) =>
    w.requests.open(alice, { kind: 'get', requestId, files })
  const of = (surl: string) => ({ surl, name: undefined })
  for (const files of [
    [],
    [of('/a'), of('/b'), of('/c')],
    [of('/a\0')],
    [of('\ud800')],
    [of('/'.repeat(1_025))],
  ])
    await t.rejects(open(files), { code: 'MDM_BAD_REQUEST' })
  t.match(w.requests.counts(), { openRequests: 0 })
  t.strictSame(await w.db.selectFrom('srm_requests').selectAll().execute(), [])
})

t.test('what cannot be audited or stored is not begun', async (t) => {
  const w = await world(t, { volumes: volumesOf(1), limits: { openFiles: 1 } })
  await w.db.schema.alterTable('srm_files').renameTo('elsewhere').execute()
  await t.rejects(w.get(alice, 0))
  t.equal(w.reads(0), 0)
  await w.db.schema.alterTable('elsewhere').renameTo('srm_files').execute()
  t.strictSame(states(await finished(w, alice, await w.get(alice, 0))), ['READY'], 'and counts for nothing')
})
