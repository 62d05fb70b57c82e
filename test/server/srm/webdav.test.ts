import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { grant } from '../../../packages/core/src/access/acl.ts'
import { signStatement, verifyChain } from '../../../packages/core/src/acl/statement.ts'
import { newGuid, type Guid } from '../../../packages/core/src/names.ts'
import { getStatements, postStatement } from '../../../packages/core/src/wire/common.ts'
import { adler32 } from '@mdm/core/crypto/adler32'
import { plainRequest } from '../../fixtures/plain-request.ts'
import { siteRows } from '../register/invariants.ts'
import { registerAll, startSiteGrid, type User } from '../site-grid.ts'

t.test('volumes are files that grid clients read by https', async (t) => {
  const grid = await startSiteGrid(t, { series: [{}, { modality: 'MR' }] })
  const admin = await grid.as('admin')
  await registerAll(admin)
  const [volume, other] = siteRows(grid, 'select guid, lfn from volumes order by guid') as {
    guid: Guid
    lfn: string
  }[]
  const { guid, lfn } = volume!
  const { srm, api, dir } = grid.provisioned.site
  const url = `${srm}/mdm/${guid}`
  const invented = newGuid()
  const principal = async (user: User) => {
    const { dn, issuer } = (await grid.as(user)).credential.identity
    return { kind: 'user', dn, issuer } as const
  }
  const ask = (
    user: User,
    at: string,
    o: { method?: string; headers?: Record<string, string>; binary?: string } = {},
  ) => plainRequest(grid.provisioned.users[user]!.config, at, o)
  const records = async () =>
    (await readFile(join(dir, 'audit.jsonl'), 'utf8')).split('"volume.get"').length - 1
  await grant(admin, guid, { to: await principal('backup'), preset: 'replicate', versions: 'all' })
  await listOnly('physician')

  /** No preset gives `list` alone. */
  async function listOnly(user: User): Promise<void> {
    const { site } = admin.roster.body
    const of = { site, scope: guid, object: 'file' } as const
    const { statements } = await admin.site.call(getStatements, { params: of })
    const chain = await verifyChain(statements, { roster: admin.roster, ...of })
    const entry = { to: await principal(user), rights: ['list' as const], versions: 'all' as const }
    const { credential } = admin
    const statement = await signStatement({
      chain,
      change: { op: 'grant', entry },
      credential,
      now: new Date(),
    })
    await admin.site.call(postStatement, { body: { statement } })
  }

  await t.test('HEAD knows length and time, and prepares nothing', async (t) => {
    const { status, headers } = await ask('backup', url, { method: 'HEAD' })
    t.equal(status, 200)
    t.match(headers, {
      'accept-ranges': 'bytes',
      'last-modified': /GMT$/,
      'mdm-guid': guid,
      'mdm-version': '1',
    })
    t.notOk('etag' in headers || 'digest' in headers, 'it is not prepared')
    t.ok(Number(headers['content-length']) > 0)
  })

  await t.test('HEAD that asks for a digest waits for the container; GET gives what it is of', async (t) => {
    const wanted = { 'want-digest': 'MD5, Adler32;q=0.5, SHA-256, sha-512' }
    const head = await ask('backup', url, { method: 'HEAD', headers: wanted })
    t.equal(head.status, 200)
    t.equal(await records(), 0, 'nothing was released')
    const file = join(t.testdir(), 'got')
    const got = await ask('backup', url, { binary: file, headers: { 'want-digest': 'adler32' } })
    const bytes = await readFile(file)
    t.equal(await records(), 1, 'and now it was')
    const sum = adler32(bytes).toString(16).padStart(8, '0')
    const sha256 = createHash('sha256').update(bytes).digest('base64')
    t.equal(head.headers.digest, `adler32=${sum},sha-256=${sha256}`)
    t.equal(got.headers.digest, `adler32=${sum}`)
    t.equal(got.headers.etag, head.headers.etag)
    t.equal(got.headers['content-length'], String(bytes.length))
    t.equal(head.headers['content-length'], String(bytes.length))
    const byApi = join(t.testdir(), 'api')
    const { headers } = await ask('backup', `${api}/v1/content/${guid}`, { binary: byApi })
    t.equal(headers.etag, got.headers.etag, 'the api gives the same container')
    t.ok(bytes.equals(await readFile(byApi)))
    for (const none of ['adler32;q=0', 'crc32', ''])
      t.notOk(
        'digest' in (await ask('backup', url, { method: 'HEAD', headers: { 'want-digest': none } })).headers,
      )
  })

  await t.test('a part is given, and only of the preparation that If-Range means', async (t) => {
    const { headers } = await ask('backup', url, { method: 'HEAD' })
    const { etag, 'content-length': length } = headers as Record<string, string>
    const range = { range: 'bytes=10-19' }
    t.match(await ask('backup', url, { headers: range }), {
      status: 206,
      headers: { 'content-length': '10', 'content-range': `bytes 10-19/${length}` },
    })
    t.match(await ask('backup', url, { headers: { ...range, 'if-range': etag! } }), { status: 206 })
    t.match(await ask('backup', url, { headers: { ...range, 'if-range': '"another"' } }), { status: 200 })
    t.match(await ask('backup', url, { headers: { range: `bytes=${length}-` } }), { status: 416 })
  })

  await t.test('other spellings are the same file', async (t) => {
    for (const path of [
      `/mdm/${guid}@1`,
      `//mdm///${guid}`,
      `/mdm/${guid.toUpperCase()}`,
      `/lfn${lfn}`,
      `/mdm/${guid}/`,
    ]) {
      const { status, headers } = await ask('backup', srm + path, { method: 'HEAD' })
      t.match({ status, headers }, { status: 200, headers: { 'mdm-guid': guid } }, path)
    }
    for (const path of [`/mdm/${guid}@2`, '/mdm/x', '/lfn/demo/folder/CT/999999', '/elsewhere'])
      t.match(await ask('backup', srm + path, { method: 'HEAD' }), { status: 404 }, path)
  })

  await t.test('PROPFIND tells of a file, and of the folder what the caller may list', async (t) => {
    const properties = (user: User, at: string, depth?: string) =>
      ask(user, at, { method: 'PROPFIND', headers: depth === undefined ? {} : { depth } })
    const file = await properties('backup', url, '0')
    t.equal(file.status, 207)
    t.match(file.headers['content-type'], /xml/)
    t.match(file.body, `<D:href>/mdm/${guid}</D:href>`)
    t.match(file.body, /<D:resourcetype\/><D:getcontentlength>[1-9]\d*<[^]*<D:getlastmodified>[^<]+GMT</)
    t.strictSame((await properties('backup', url)).body, file.body, 'a file has no depth')
    const folder = await properties('backup', `${srm}/mdm/`, '1')
    t.match(folder.body, '<D:href>/mdm/</D:href><D:propstat><D:prop><D:resourcetype><D:collection/>')
    t.match(folder.body, guid)
    t.notMatch(folder.body, other!.guid, 'nobody gave him that one')
    t.match((await properties('admin', `${srm}/mdm`, '1')).body, other!.guid)
    const self = await properties('backup', `${srm}/mdm`, '0')
    t.notMatch(self.body, guid)
    const empty = await properties('stranger', `${srm}/mdm`, '1')
    t.strictSame(empty.body, self.body, 'a stranger sees an empty folder')
    for (const depth of ['infinity', '2', undefined])
      t.match(await properties('backup', `${srm}/mdm`, depth), { status: 400, body: /MDM_BAD_REQUEST/ })
  })

  await t.test('without list nothing is there; with list alone it may be known and not read', async (t) => {
    for (const method of ['GET', 'HEAD', 'PROPFIND']) {
      const real = await ask('stranger', url, { method })
      t.equal(real.status, 404, method)
      t.strictSame(real, await ask('stranger', `${srm}/mdm/${invented}`, { method }))
      t.strictSame(await ask('stranger', `${srm}/lfn${lfn}`, { method }), real)
    }
    t.match(await ask('physician', url), { status: 403, body: /MDM_DENIED/ })
    t.match(await ask('physician', url, { method: 'HEAD', headers: { 'want-digest': 'adler32' } }), {
      status: 403,
      headers: { digest: undefined },
    })
    t.match(await ask('physician', url, { method: 'PROPFIND' }), { status: 207 })
  })

  await t.test('nothing can be written, alike for what is there and what is not', async (t) => {
    const writes = ['PUT', 'POST', 'PATCH', 'DELETE', 'MKCOL', 'COPY', 'MOVE', 'LOCK', 'UNLOCK', 'PROPPATCH']
    for (const method of writes) {
      const real = await ask('admin', url, { method })
      t.match(real, { status: 405, headers: { allow: /PROPFIND/ }, body: /MDM_READ_ONLY/ }, method)
      t.strictSame(await ask('stranger', `${srm}/mdm/${invented}`, { method }), real, method)
    }
    t.match(await ask('backup', url, { method: 'OPTIONS' }), {
      status: 200,
      headers: { allow: 'GET, HEAD, OPTIONS, PROPFIND', dav: '1' },
    })
    t.match(await ask('backup', `${srm}/mdm`), { status: 405, headers: { allow: 'OPTIONS, PROPFIND' } })
  })
})
