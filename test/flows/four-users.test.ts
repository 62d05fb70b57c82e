import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { emptyChain, signStatement, type Change } from '@mdm/core/acl/statement'
import { openSession } from '@mdm/core/access/session'
import { loadConfig } from '@mdm/core/config'
import type { Guid, SiteId } from '@mdm/core/names'
import { runMdm, startGrid, type User } from '../fixtures/grid.ts'
import { plainRequest } from '../fixtures/plain-request.ts'

const INVENTED = '3f2504e0-4f89-41d3-9a0c-0305e82c3301'

t.test('the four users of paper 5.2 get what they may have, and nothing else', async (t) => {
  const grid = await startGrid(t)
  const registered = (await grid.ok('admin', ['register', '--json'])).json.registered
  const guid: string = registered.find((v: { modality: string }) => v.modality === 'MR').guid
  for (const [user, preset] of [
    ['backup', 'replicate'],
    ['scientist', 'process'],
    ['physician', 'clinical'],
  ] as const) {
    await grid.ok('admin', ['acl', 'grant', guid, '--to', grid.users[user].dn, '--preset', preset, '--json'])
  }
  const at = (name: string) => join(grid.scratch, name)

  t.test('backup copies ciphertext and can read nothing', async (t) => {
    const raw = await grid.ok('backup', ['get', guid, '--level', 'raw', '-o', at('backup.mdm'), '--json'])
    const bytes = await readFile(at('backup.mdm'))
    t.equal(createHash('sha256').update(bytes).digest('hex'), raw.json.files[0].sha256)
    t.equal(bytes.subarray(0, 3).toString('hex'), '020478', 'it is a container')
    t.equal(
      (await grid.mdm('backup', ['get', guid, '-o', at('b.nii'), '--json'])).json.error.code,
      'MDM_DENIED',
    )
    for (const server of grid.keyServers) {
      const reply = await plainRequest(grid.users.backup.config, `${server.url}/v1/shares/${guid}`)
      const invented = await plainRequest(grid.users.backup.config, `${server.url}/v1/shares/${INVENTED}`)
      t.equal(reply.status, 404)
      t.same(reply, invented, 'as for a GUID that never was')
    }
  })

  t.test('the scientist gets voxels and no row about the patient', async (t) => {
    await grid.ok('scientist', ['get', guid, '-o', at('s.nii'), '--json'])
    const rows = (await grid.ok('scientist', ['query', 'modality=MR', '--json'])).json
    t.equal(rows.rows.length, 1)
    t.notOk(
      Object.keys(rows.rows[0]).some((c) => c.startsWith('patient')),
      'no column of the Patient table',
    )
    t.ok(
      rows.withheld.some((c: string) => c.startsWith('patient')),
      'and it says that they are withheld',
    )
    t.equal(
      (await grid.mdm('scientist', ['query', 'patient_name=X', '--json'])).code,
      2,
      'nor can it be searched by',
    )
  })

  t.test('the physician gets both', async (t) => {
    await grid.ok('physician', ['get', guid, '-o', at('p.nii'), '--json'])
    const rows = (await grid.ok('physician', ['query', 'modality=MR', '--json'])).json.rows
    t.ok(rows[0].patient_name, 'the name is there for who treats the patient')
    t.same(await readFile(at('p.nii')), await readFile(at('s.nii')), 'the voxels are the scientist’s')
  })

  t.test('what a plain HTTPS client fetches is ciphertext, and mdm decrypt opens it', async (t) => {
    const reply = await plainRequest(grid.users.scientist.config, `${grid.site.api}/v1/content/${guid}`, {
      binary: at('plain.mdm'),
    })
    t.equal(reply.status, 200)
    await grid.ok('scientist', [
      'decrypt',
      at('plain.mdm'),
      '-o',
      at('plain.nii'),
      '--format',
      'nifti',
      '--json',
    ])
    t.same(await readFile(at('plain.nii')), await readFile(at('s.nii')))
    t.equal((await grid.mdm('backup', ['decrypt', at('plain.mdm'), '-o', at('x.nii'), '--json'])).code, 3)
  })

  t.test('the stranger cannot tell a real volume from an invented one, anywhere', async (t) => {
    const row = (await grid.ok('physician', ['ls', '--json'])).json.rows[0]
    const config = grid.users.stranger.config
    const paths = (id: string) => [
      ['GET', `/v1/content/${id}`],
      ['GET', `/v1/content/${id}@1`],
      ['GET', `/v1/volumes/${id}`],
      ['GET', `/v1/volumes/${id}/metadata`],
      ['GET', `/v1/volumes/${id}/acl`],
      ['GET', `/v1/volumes/${id}/preparations/${'A'.repeat(43)}`],
      ...['file', 'key', 'metadata:patient'].map((o) => [
        'GET',
        `/v1/statements/demo/${id}/${encodeURIComponent(o)}`,
      ]),
    ]
    const ask = (origin: string, [method, path]: string[]) =>
      plainRequest(config, origin + path!, { method: method! })
    for (const [i, real] of paths(guid).entries()) {
      const [a, b] = [await ask(grid.site.api, real), await ask(grid.site.api, paths(INVENTED)[i]!)]
      t.equal(a.status, 404, real[1]!.replace(guid, 'GUID'))
      t.same(a, b, 'status, headers and body are the same')
    }
    for (const name of [row.lfn, row.surl]) {
      const [a, b] = [name, INVENTED].map(
        async (n) => await plainRequest(config, `${grid.site.api}/v1/content/${encodeURIComponent(n)}`),
      )
      t.same(await a, await b, 'by LFN and SURL as well')
    }
    for (const server of grid.keyServers) {
      for (const path of [`/v1/shares/ID`, `/v1/statements/demo/ID/key`]) {
        const ask = (id: string) => plainRequest(config, server.url + path.replace('ID', id))
        const real = await ask(guid)
        t.equal(real.status, 404)
        t.same(real, await ask(INVENTED))
      }
    }
    const own = await openSession(await loadConfig({ config }, {}))
    t.teardown(() => own.close())
    const posts = async (id: string): Promise<[string, string, unknown][]> => {
      const to = {
        kind: 'user',
        dn: own.credential.identity.dn,
        issuer: own.credential.identity.issuer,
      } as const
      const chain = { ...emptyChain('demo' as SiteId, id as Guid, 'key'), seq: 0, head: 'ab'.repeat(32) }
      const change: Change = { op: 'grant', entry: { to, rights: ['read'], versions: 'all' } }
      const time = new Date('2026-01-01T00:00:00Z')
      const statement = await signStatement({ chain, change, credential: own.credential, now: time })
      const share = Buffer.alloc(124).toString('base64')
      const put = { share, manifest: statement, founding: statement }
      return [
        ['POST', '/v1/statements', { statement }],
        ['PUT', `/v1/shares/${id}/${'0'.repeat(32)}/1`, put],
        ['DELETE', `/v1/shares/${id}/${'0'.repeat(32)}`, undefined],
      ]
    }
    for (const origin of [grid.site.api, ...grid.keyServers.map((k) => k.url)]) {
      const invented = await posts(INVENTED)
      for (const [i, [method, path, body]] of (await posts(guid)).entries()) {
        const real = await plainRequest(config, origin + path, { method, body })
        const other = await plainRequest(config, origin + invented[i]![1], { method, body: invented[i]![2] })
        t.ok(real.status >= 400, `${method} ${path.replace(guid, 'GUID')} is refused`)
        t.same(real, other, 'in the same words')
      }
    }
    const cli = async (user: User, id: string) => {
      const { code, stdout, stderr } = await grid.mdm(user, ['get', id, '-o', at('no.nii'), '--json'])
      return {
        code,
        stdout: stdout.replaceAll(id, 'GUID').replace(/"requestId":\s*"[^"]*"/, ''),
        stderr: stderr.replaceAll(id, 'GUID'),
      }
    }
    t.same(await cli('stranger', guid), await cli('stranger', INVENTED))
    t.equal((await cli('stranger', guid)).code, 3)
    t.same((await grid.ok('stranger', ['ls', '--json'])).json.rows, [])
    const asked = async (column: string) => {
      const run = await grid.mdm('stranger', ['query', `${column}=MR`, '--json'])
      const stdout = run.stdout.replaceAll(column, 'COLUMN').replace(/"requestId":\s*"[^"]*"/, '')
      return { code: run.code, stdout }
    }
    t.same(await asked('modality'), await asked('madeup'), 'no column is there for who may read none')
    t.equal((await asked('modality')).code, 2)
    t.equal(
      (
        await runMdm(
          ['acl', 'grant', guid, '--to', grid.users.stranger.dn, '--preset', 'clinical', '--json'],
          { config },
        )
      ).code,
      3,
    )
    t.equal((await grid.mdm('stranger', ['register', '--json'])).code, 4)
  })
})
