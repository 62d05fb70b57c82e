import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { grant } from '@mdm/core/access/acl'
import { getRaw } from '@mdm/core/access/raw'
import { saveStored } from '@mdm/core/access/save-stored'
import { openStorage } from '@mdm/core/access/storage'
import { loadConfig } from '@mdm/core/config'
import { withPrepared } from '@mdm/core/grid/srm/prepare'
import { parseSurl } from '@mdm/core/grid/srm/srm-url'
import { openFile } from '@mdm/core/grid/srm/transfer'
import { newGuid, type Guid, type Surl } from '@mdm/core/names'
import { plainRequest } from '../fixtures/plain-request.ts'
import { siteRows } from '../server/register/invariants.ts'
import { registerAll, startSiteGrid, type User } from '../server/site-grid.ts'

t.test('a site is one storage element by SRM, https and the tape interface', async (t) => {
  const grid = await startSiteGrid(t)
  const admin = await grid.as('admin')
  await registerAll(admin)
  const [{ guid, surl }] = siteRows(grid, 'select guid, surl from replicas') as [{ guid: Guid; surl: Surl }]
  const backup = await grid.as('backup')
  const { dn, issuer } = backup.credential.identity
  await grant(admin, guid, { to: { kind: 'user', dn, issuer }, preset: 'replicate' })
  const { srm } = grid.provisioned.site
  const storageOf = async (user: User) => {
    const storage = await openStorage(await loadConfig({ config: grid.provisioned.users[user]!.config }, {}))
    t.teardown(() => storage.close())
    return storage
  }
  const file = parseSurl(surl)
  const ask = (user: User, path: string, o: Parameters<typeof plainRequest>[2] = {}) =>
    plainRequest(grid.provisioned.users[user]!.config, srm + path, o)

  await t.test('what SRM gives for the SURL in the catalog is what the api gives', async (t) => {
    const path = join(t.testdir(), 'copy.mdm')
    const saved = await saveStored(await storageOf('backup'), file, { path })
    t.match(saved, { guid, surl })
    const raw = await getRaw(backup, { guid })
    const hash = createHash('sha256')
    for await (const piece of raw.body) hash.update(piece)
    t.equal(
      createHash('sha256')
        .update(await readFile(path))
        .digest('hex'),
      hash.digest('hex'),
    )
  })

  await t.test(
    'a transfer URL is its owner’s alone, outlives a restart, and ends with the request',
    async (t) => {
      const storage = await storageOf('backup')
      const { turl } = await withPrepared(storage.service(file.endpoint), surl, {}, async (prepared) => {
        t.equal(prepared.turl.origin, srm)
        const path = prepared.turl.pathname
        for (const user of ['admin', 'stranger'] as const)
          t.match(await ask(user, path), { status: 404, body: /MDM_NOT_FOUND/ }, user)
        await grid.stopSite()
        await grid.startSite()
        const opened = await openFile(storage.connections, prepared)
        t.match(opened.digest.adler32, /^[0-9a-f]{8}$/)
        let bytes = 0
        for await (const piece of opened.body) bytes += piece.length
        t.equal(bytes, prepared.bytes)
        return prepared
      })
      t.match(await ask('backup', turl.pathname), { status: 404 }, 'it was let go')
    },
  )

  await t.test(
    'a stranger is told by SRM, https and the tape interface alike that nothing is there',
    async (t) => {
      const path = join(t.testdir(), 'x')
      await t.rejects(saveStored(await storageOf('stranger'), file, { path }), { code: 'MDM_NOT_FOUND' })
      t.match(await ask('stranger', `/mdm/${guid}`), { status: 404 })
      const found = await ask('backup', '/.well-known/wlcg-tape-rest-api')
      const { sitename, endpoints } = JSON.parse(found.body) as {
        sitename: string
        endpoints: { uri: string }[]
      }
      t.equal(sitename, 'demo')
      t.ok(endpoints[0]!.uri.startsWith(`${srm}/`))
      const { pathname } = new URL(endpoints[0]!.uri)
      const locality = (user: User, path: string) =>
        ask(user, `${pathname}/archiveinfo/`, { method: 'POST', body: { paths: [path] } })
      t.match((await locality('backup', `/mdm/${guid}`)).body, /"DISK_AND_TAPE"/)
      const real = await locality('stranger', `/mdm/${guid}`)
      const invented = newGuid()
      const none = await locality('stranger', `/mdm/${invented}`)
      t.strictSame({ ...real, body: real.body.replaceAll(guid, invented) }, none)
    },
  )
})
