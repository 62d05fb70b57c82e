import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import t from 'tap'
import { runMdm, startGrid } from '../fixtures/grid.ts'

t.test(
  'level 1 is a get of the storage element of a site, and gives what its own interface gives',
  async (t) => {
    const grid = await startGrid(t)
    const { registered } = (await grid.ok('admin', ['register', '--json'])).json
    const { guid } = registered[0]
    const [{ surl }] = (await grid.ok('admin', ['stat', guid, '--json'])).json.volumes
    await grid.ok('admin', ['acl', 'grant', guid, '--to', grid.users.backup.dn, '--preset', 'replicate'])
    const at = (name: string) => join(grid.scratch, name)
    const get = async (...args: string[]) =>
      (await grid.ok('backup', ['get', ...args, '--json'])).json.files[0]

    const direct = await get(guid, '--level', 'raw', '-o', at('direct.mdm'))
    const stored = await get(surl, '--level', 'raw', '-o', at('stored.mdm'))
    t.match(stored, { surl, guid, version: 1, bytes: direct.bytes, sha256: direct.sha256, resumedFrom: 0 })
    const steps = stored.timings.rows.filter((row: { endMs: number | null }) => row.endMs !== null)
    t.strictSame(steps[0].name, 'srm-prepare', 'and the site was not asked by its own interface')

    const endpoint = surl.slice(0, surl.indexOf('?'))
    const again = await get(`${guid}@1`, '--srm', endpoint, '--level', 'raw', '-o', at('again.mdm'))
    t.match(again, { guid, sha256: direct.sha256 })

    await grid.ok('admin', ['decrypt', at('stored.mdm'), '-o', at('stored.nrrd')])
    await grid.ok('admin', ['get', guid, '-o', at('direct.nrrd')])
    t.strictSame(await readFile(at('stored.nrrd')), await readFile(at('direct.nrrd')), 'the right voxels')

    const job = ['--guid', guid, '--hours', '1', '--operations', 'read-file', '-o', at('job.cred')]
    await grid.ok('backup', ['credential', 'delegate', ...job])
    const byJob = await get(surl, '--cert', at('job.cred'), '--level', 'raw', '-o', at('job.mdm'))
    t.equal(byJob.sha256, direct.sha256, 'a job shows a proxy to both the service and the URL it gives')

    const stranger = await grid.mdm('stranger', ['get', surl, '--level', 'raw', '-o', at('x.mdm')])
    t.equal(stranger.code, 3, stranger.stderr)
    const ping = await grid.ok('admin', ['ping', '--srm', endpoint, '--json'])
    t.match(ping.json.servers.at(-1), { role: 'SRM service', url: endpoint, reachable: true, pinned: true })

    const away = await grid.mdm('admin', ['ping', '--srm', 'srm://127.0.0.1:1', '--json'])
    t.equal(away.code, 5)
    t.match(away.json.servers.at(-1), { role: 'SRM service', reachable: false, code: 'MDM_UNREACHABLE' })

    await t.test('without a roster its CA is enough, and without that it is not trusted', async (t) => {
      const { config } = grid.users.backup
      const { credential } = JSON.parse(await readFile(config, 'utf8'))
      const own = (path: string) => resolve(dirname(config), path)
      const bare = join(grid.scratch, 'bare.json')
      const held = { certificate: own(credential.certificate), key: own(credential.key) }
      await writeFile(bare, JSON.stringify({ credential: held }))
      const cas = join(grid.scratch, 'cas')
      await mkdir(cas)
      const args = ['get', surl, '--level', 'raw', '--ca-dir', cas, '--retries', '0', '-o', at('bare.mdm')]
      t.equal((await runMdm(args, { config: bare })).code, 7)
      await copyFile(join(grid.dir, 'ca', 'ca.pem'), join(cas, '0a0b0c0d.0'))
      const got = await runMdm([...args, '--json'], { config: bare })
      t.match(got.json, { files: [{ guid, sha256: direct.sha256 }] }, got.stderr)
    })
  },
)
