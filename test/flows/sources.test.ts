import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { createServiceCertificate } from '@mdm/core/identity/ca'
import { serveDimse } from '@mdm/server/dicom/dimse/index'
import { runMdm } from '../fixtures/grid.ts'
import { scriptedObjects } from '../fixtures/scripted-objects.ts'
import { startScriptedScp } from '../fixtures/scripted-scp.ts'
import { addSeries, registerAll, setSources, startSiteGrid, type User } from '../server/site-grid.ts'

t.test('administrators see the sources of a site and have them tried; nobody else does', async (t) => {
  const grid = await startSiteGrid(t, { series: [], started: false })
  const { files } = await addSeries(grid.source, 'ct')
  const scp = await startScriptedScp(t, { objects: await scriptedObjects(files) })
  const make = () => createServiceCertificate({ commonName: 'pacs', hosts: ['127.0.0.1'], days: 2 })
  const [pacs, other] = [await make(), await make()]
  const server = await serveDimse({
    ...{ host: '127.0.0.1', port: 0, ae: 'PACS', authorize: () => true, onStore: async () => 0 },
    tls: { ca: other.certificate, cert: pacs.certificate, key: pacs.key },
  })
  t.teardown(() => server.close())
  await writeFile(join(grid.provisioned.site.dir, 'other.pem'), other.certificate)
  const address = `${scp.ae}@127.0.0.1:${scp.port}`
  await setSources(grid, [
    { name: 'pacs', url: `dicom://${address}` },
    // Paths are relative to site.json, as all paths in it.
    { name: 'false', url: `dicoms://PACS@127.0.0.1:${server.port}`, tls: { ca: 'other.pem' } },
    { name: 'folder', url: grid.source },
  ])
  await grid.startSite()
  const mdm = (user: User, ...args: string[]) =>
    runMdm(args, { config: grid.provisioned.users[user]!.config })
  const audit = async () =>
    (await readFile(join(grid.provisioned.site.dir, 'audit.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { event: string; outcome: string; code?: string; facts?: object })

  const listed = await mdm('admin', 'source', 'ls', '--json')
  t.strictSame(listed.json, {
    sources: [
      { name: 'pacs', kind: 'dicom', server: address },
      { name: 'false', kind: 'dicoms', server: `PACS@127.0.0.1:${server.port}` },
      { name: 'folder', kind: 'folder' },
    ],
  })

  const tried = await mdm('admin', 'source', 'test', 'pacs', '--json')
  t.equal(tried.code, 0, tried.stderr)
  t.match(tried.json, {
    steps: ['associate', 'echo', 'find', 'c-get', 'c-get-series'].map((step) => ({ step, ok: true })),
    methods: ['c-get', 'c-get-series'],
  })

  scp.script.retrieve = (objects) =>
    objects.length < 4 ? [{ status: 0 }] : [{ send: objects }, { status: 0 }]
  const shown = await mdm('admin', 'source', 'test', 'pacs')
  t.equal(shown.code, 0, 'a way that does not work is no fault while another one does')
  t.match(shown.stdout, /^c-get +no .*\nc-get-series +ok .*\nretrieves by: c-get-series, then c-get\n$/m)
  scp.script = {}

  const refused = await mdm('admin', 'source', 'test', 'false')
  t.equal(refused.code, 5)
  t.match(refused.stderr, /code: MDM_SOURCE_REFUSED/)
  t.equal((await mdm('admin', 'source', 'test', 'nowhere')).code, 3)
  for (const args of [['ls'], ['test', 'pacs'], ['test', 'nowhere']])
    t.equal((await mdm('scientist', 'source', ...args)).code, 4, `${args.join(' ')} by anyone else`)

  const before = (await audit()).filter(({ event }) => event === 'source-tested')
  t.match(before, [
    { outcome: 'done', facts: { source: 'pacs' } },
    { outcome: 'failed', code: 'MDM_SOURCE_INCOMPLETE', facts: { source: 'pacs' } },
    { outcome: 'failed', code: 'MDM_SOURCE_REFUSED', facts: { source: 'false' } },
  ])

  // The site looks at its sources by itself as well.
  const events = await registerAll(await grid.as('admin'))
  t.ok(events.some(({ type }) => type === 'registered' || type === 'already'))
  t.match(
    (await audit()).filter(({ event }) => event === 'source-refused'),
    [{ outcome: 'refused', code: 'MDM_SOURCE_REFUSED', facts: { source: 'false' } }],
    'a server that is not the one we know is written down once',
  )
})
