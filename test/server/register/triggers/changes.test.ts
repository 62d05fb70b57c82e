import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Sha256 } from '../../../../packages/core/src/names.ts'
import { readChanges } from '../../../../packages/server/src/register/triggers/changes.ts'
import { openNotices } from '../../../../packages/server/src/register/triggers/notices.ts'
import { orthanc } from '../../../../packages/server/src/register/triggers/orthanc.ts'
import { openSiteStore } from '../../../../packages/server/src/store/site-store.ts'

const signal = new AbortController().signal
const LIST = 'a'.repeat(64) as Sha256
const hex = (n: number) => Array.from({ length: 5 }, () => n.toString(16).padStart(8, '0')).join('-')

/** What Orthanc's REST answers of changes, series and studies, as seen at version 1.10. */
async function fakeOrthanc(t: Test) {
  const changes: { ChangeType: string; ID: string; ResourceType: string; Seq: number }[] = []
  const series = new Map<string, { uid: string; instances: string[] }>()
  const asked: string[] = []
  const fake = {
    ...{ changes, series, asked, last: 0, page: 1_000, answer: undefined as string | undefined, url: '' },
    change(ChangeType: string, ID: string, ResourceType: string) {
      changes.push({ ChangeType, ID, ResourceType, Seq: ++fake.last })
    },
    /** A series as Orthanc tells of it while it is stored. */
    store(n: number, instances: number) {
      const ids = Array.from({ length: instances }, (_, i) => hex(1_000 * n + i + 1))
      series.set(hex(n), { uid: `1.2.${n}`, instances: ids })
      for (const id of ids) fake.change('NewInstance', id, 'Instance')
      fake.change('NewSeries', hex(n), 'Series')
    },
  }
  const server = createServer((request, reply) => {
    const url = new URL(request.url!, 'http://localhost')
    asked.push(`${url.pathname}${url.search}`)
    const send = (status: number, body: unknown) =>
      reply.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body))
    if (request.headers.authorization !== `Basic ${Buffer.from('us:secret').toString('base64')}`)
      return send(401, '')
    if (fake.answer !== undefined) return send(200, fake.answer)
    if (url.pathname === '/changes') {
      const since = Number(url.searchParams.get('since'))
      const more = changes.filter(({ Seq }) => Seq > since)
      const page = more.slice(0, fake.page)
      const Last = page.at(-1)?.Seq ?? fake.last
      return send(200, { Changes: page, Done: page.length === more.length, Last })
    }
    const [, kind, id, of] = url.pathname.split('/')
    const found =
      kind === 'series'
        ? ([id, series.get(id!)] as const)
        : [...series].find(([, { instances }]) => instances.includes(id!))
    if (found?.[1] === undefined) return send(404, {})
    if (of === 'study') return send(200, { MainDicomTags: { StudyInstanceUID: '1.2' } })
    const { uid, instances } = found[1]
    send(200, { ID: found[0], Instances: instances, MainDicomTags: { SeriesInstanceUID: uid } })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => void server.close())
  fake.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return fake
}

async function start(t: Test) {
  const fake = await fakeOrthanc(t)
  const db = await openSiteStore(join(t.testdir(), 'site.sqlite'))
  t.teardown(() => db.destroy())
  const now = () => new Date()
  const notices = await openNotices(db, now)
  const rest = orthanc({ url: fake.url, credentials: { user: 'us', password: 'secret' } })
  const reader = (list = LIST) => readChanges({ db, notices, orthanc: rest, source: 'pacs', list, now })
  const noticed = () => [...notices.of('pacs')].map(({ ref }) => ref.series).sort()
  const position = async () =>
    (await db.selectFrom('source_looks').select('position').executeTakeFirst())?.position
  return { fake, db, notices, reader, noticed, position }
}

t.test('the series of changes are noticed, with one question a series and not one an instance', async (t) => {
  const { fake, reader, noticed, position } = await start(t)
  fake.store(1, 300)
  fake.store(2, 200)
  t.equal(await reader()(signal), 'all')
  t.same(noticed(), ['1.2.1', '1.2.2'])
  t.equal(await position(), 502)
  t.ok(fake.asked.length <= 6, `${fake.asked.length} questions`)
})

t.test('reading goes on where it was, page for page, after a restart too', async (t) => {
  const { fake, reader, noticed, position } = await start(t)
  fake.page = 100
  fake.store(1, 150)
  const first = reader()
  t.equal(await first(signal), 'more')
  t.equal(await position(), 100)
  const second = reader()
  t.equal(await second(signal), 'all')
  t.ok(fake.asked.some((path) => path.startsWith('/changes?since=100&')))
  t.equal(await second(signal), 'all')
  t.same(noticed(), ['1.2.1'])
  fake.store(2, 1)
  await second(signal)
  t.same(noticed(), ['1.2.1', '1.2.2'])
})

t.test('a list that began anew, or another list, is read from its beginning', async (t) => {
  const { fake, reader, noticed, position } = await start(t)
  fake.store(1, 150)
  const read = reader()
  await read(signal)
  fake.changes.length = 0
  fake.last = 0
  fake.store(2, 3)
  t.equal(await read(signal), 'more')
  t.equal(await read(signal), 'all')
  t.same(noticed(), ['1.2.1', '1.2.2'])
  t.equal(await position(), 4)
  fake.asked.length = 0
  await reader('b'.repeat(64) as Sha256)(signal)
  t.match(fake.asked[0], /since=0&/)
})

t.test('what is gone, of no series or tells of no object is passed over', async (t) => {
  const { fake, reader, noticed } = await start(t)
  fake.change('NewInstance', hex(77), 'Instance')
  fake.change('StableStudy', hex(78), 'Study')
  fake.change('NewSeries', '../../tools/reset', 'Series')
  fake.store(3, 2)
  fake.series.set(hex(4), { uid: '1.2.4', instances: [] })
  fake.change('StableSeries', hex(4), 'Series')
  await reader()(signal)
  t.same(noticed(), ['1.2.3'])
  t.notOk(fake.asked.some((path) => path.includes('tools')))
})

t.test('an answer that is none, too long or refused moves nothing', async (t) => {
  const { fake, reader, noticed, position } = await start(t)
  fake.store(1, 3)
  const answers = ['no json', '{}', '{"Changes":[],"Done":true,"Last":-1}', 'x'.repeat(17 * 1024 * 1024)]
  for (const answer of answers) {
    fake.answer = answer
    await t.rejects(reader()(signal), { code: 'MDM_SOURCE_UNREACHABLE' }, answer.slice(0, 40))
  }
  const wrong = orthanc({ url: fake.url, credentials: { user: 'us', password: 'other' } })
  await t.rejects(wrong.changes(0, signal), { code: 'MDM_SOURCE_REFUSED' })
  const nobody = orthanc({ url: 'http://127.0.0.1:1' })
  await t.rejects(nobody.changes(0, signal), { code: 'MDM_SOURCE_UNREACHABLE' })
  t.same(noticed(), [])
  t.equal(await position(), undefined)
})
