import { X509Certificate } from 'node:crypto'
import { mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { runMdm } from '../fixtures/grid.ts'

t.test('a CA is made and issues a user whose certificate it signed', async (t) => {
  const cwd = t.testdir()
  const ca = await runMdm(['ca', 'init', '--dir', 'ca', '--name', 'CN=Lab CA,O=Exämple', '--json'], { cwd })
  t.equal(ca.code, 0, ca.stderr)
  t.match(ca.json, {
    certificate: join('ca', 'ca.pem'),
    key: join('ca', 'ca.key'),
    dn: 'CN=Lab CA,O=Exämple',
  })
  const user = await runMdm(
    ['ca', 'issue', '--ca', 'ca', '--name', 'CN=Ann Lee,O=Exämple', '--days', '2', '-o', 'ann', '--json'],
    { cwd },
  )
  t.equal(user.code, 0, user.stderr)
  t.equal(user.json.dn, 'CN=Ann Lee,O=Exämple')
  const left = (Date.parse(user.json.notAfter) - Date.now()) / 86_400_000
  t.ok(left > 1.9 && left <= 2.01, `${left} days`)

  const authority = new X509Certificate(await readFile(join(cwd, 'ca/ca.pem')))
  const leaf = new X509Certificate(await readFile(join(cwd, 'ann/user.pem')))
  t.ok(authority.ca)
  t.notOk(leaf.ca)
  t.ok(leaf.checkIssued(authority))
  t.ok(leaf.verify(authority.publicKey))
  for (const file of ['ca/ca.key', 'ann/user.key'])
    t.equal((await stat(join(cwd, file))).mode & 0o777, 0o600, file)

  t.test('nothing is ever written over', async (t) => {
    const before = await readFile(join(cwd, 'ca/ca.key'), 'utf8')
    const again = await runMdm(['ca', 'init', '--dir', 'ca', '--name', 'CN=Other', '--json'], { cwd })
    t.equal(again.code, 11)
    t.equal(again.json.error.code, 'MDM_CONFLICT')
    t.equal(
      (await runMdm(['ca', 'issue', '--ca', 'ca', '--name', 'CN=B', '-o', 'ann', '--json'], { cwd })).code,
      11,
    )
    t.equal(await readFile(join(cwd, 'ca/ca.key'), 'utf8'), before)
  })

  t.test('neither CA nor user is written into or below the folder of a server', async (t) => {
    for (const [i, file] of ['site.json', 'keys.json', 'signing.key'].entries()) {
      const server = join(cwd, `server-${i}`)
      await mkdir(join(server, 'below'), { recursive: true })
      await writeFile(join(server, file), '{}')
      for (const dir of [server, join(server, 'below'), join(server, 'new/deep')]) {
        t.equal(
          (await runMdm(['ca', 'init', '--dir', dir, '--name', 'CN=x', '--json'], { cwd })).json.error.code,
          'MDM_CONFLICT',
          dir,
        )
      }
      const issue = await runMdm(['ca', 'issue', '--ca', 'ca', '--name', 'CN=x', '-o', server, '--json'], {
        cwd,
      })
      t.equal(issue.json.error.code, 'MDM_CONFLICT')
      t.strictSame((await readdir(server)).sort(), ['below', file].sort(), 'nothing was added')
    }
  })

  t.test('the pair can be configured, and a key that others may read cannot', async (t) => {
    const config = join(cwd, 'config.json')
    const set = await runMdm(
      ['config', 'set', '--cert', 'ann/user.pem', '--key', 'ann/user.key', '--site', 'demo', '--json'],
      { cwd, config },
    )
    t.equal(set.code, 0, set.stdout)
    t.match(set.json, { file: config, site: 'demo', certificate: join(cwd, 'ann/user.pem') })
    t.strictSame(JSON.parse(await readFile(config, 'utf8')), {
      site: 'demo',
      credential: { certificate: join('ann', 'user.pem'), key: join('ann', 'user.key') },
      sites: {},
    })
    const shown = await runMdm(['config', 'show', '--json'], { cwd, config })
    t.match(shown.json, { file: config, site: 'demo', key: join(cwd, 'ann/user.key'), sites: [] })
    t.match((await runMdm(['config', 'show'], { cwd, config })).stdout, /^setting +value\nfile +\//)

    await writeFile(join(cwd, 'open.key'), await readFile(join(cwd, 'ann/user.key')), { mode: 0o644 })
    const open = await runMdm(['config', 'set', '--cert', 'ann/user.pem', '--key', 'open.key', '--json'], {
      cwd,
      config,
    })
    t.equal(open.json.error.code, 'MDM_CONFIG')
    const other = await runMdm(['config', 'set', '--cert', 'ca/ca.pem', '--key', 'ann/user.key', '--json'], {
      cwd,
      config,
    })
    t.equal(other.json.error.code, 'MDM_CONFIG', 'a key of another certificate')
    t.equal((await runMdm(['config', 'set', '--key', 'ann/user.key', '--json'], { cwd, config })).code, 2)
    t.equal((await runMdm(['config', 'set', '--site', 'Not A Site', '--json'], { cwd, config })).code, 2)
    t.equal(
      JSON.parse(await readFile(config, 'utf8')).credential.key,
      join('ann', 'user.key'),
      'the old one stays',
    )
  })
})
