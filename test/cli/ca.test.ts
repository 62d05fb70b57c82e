import { X509Certificate } from 'node:crypto'
import { mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { readCertificate } from '@mdm/core/identity/certificate'
import { crlsIn } from '@mdm/core/identity/crl/crl-text'
import { openCrl, readCrl } from '@mdm/core/identity/crl/read-crl'
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

  t.test('a certificate is revoked by its file or its number, and the list only grows', async (t) => {
    const issue = (name: string) =>
      runMdm(['ca', 'issue', '--ca', 'ca', '--name', `CN=${name},O=Exämple`, '-o', name, '--json'], { cwd })
    const [bea, cy] = [await issue('bea'), await issue('cy')]
    t.match(bea.json.serial, /^[0-9a-f]{32}$/)
    const copy = await readFile(join(cwd, 'ca/issued', `${bea.json.serial}.pem`), 'utf8')
    t.equal(copy, await readFile(join(cwd, 'bea/user.pem'), 'utf8'), 'a copy is kept, and no key')

    const list = async () => {
      const x509 = new X509Certificate(await readFile(join(cwd, 'ca/ca.pem')))
      const [der] = crlsIn(await readFile(join(cwd, 'ca/ca.crl')))
      return readCrl(openCrl(der!), {
        certificate: x509,
        identity: readCertificate(x509.raw),
        nameSpaces: [],
      })
    }
    const first = await runMdm(['ca', 'crl', '--ca', 'ca', '--days', '7', '--json'], { cwd })
    t.match(first.json, { list: join('ca', 'ca.crl'), revoked: 0 }, first.stderr)
    const left = (Date.parse(first.json.nextUpdate) - Date.now()) / 86_400_000
    t.ok(left > 6.9 && left < 7.01)
    const byFile = await runMdm(['ca', 'revoke', 'bea/user.pem', '--ca', 'ca', '--json'], { cwd })
    t.match(byFile.json, { serial: bea.json.serial, revoked: 1 }, byFile.stderr)
    const number = cy.json.serial.toUpperCase().match(/../g).join(':')
    const byNumber = await runMdm(['ca', 'revoke', number, '--ca', 'ca'], { cwd })
    t.match(byNumber.stdout, `${cy.json.serial} is revoked\n${join('ca', 'ca.crl')}\n`, byNumber.stderr)
    t.match((await runMdm(['ca', 'crl', '--ca', 'ca', '--json'], { cwd })).json, { revoked: 2 })
    const written = await list()
    t.strictSame([...written.revoked.keys()], [bea.json.serial, cy.json.serial])
    t.equal(written.number, 4n)
    t.equal((await stat(join(cwd, 'ca/ca.crl'))).mode & 0o777, 0o644)

    t.test(
      'what is not of this authority is refused, and a list is never begun anew by a fault',
      async (t) => {
        const code = async (...args: string[]) =>
          (await runMdm(['ca', ...args, '--json'], { cwd })).json.error.code
        await runMdm(['ca', 'init', '--dir', 'other', '--name', 'CN=Lab CA,O=Exämple', '--json'], { cwd })
        t.equal(
          await code('revoke', 'bea/user.pem', '--ca', 'other'),
          'MDM_USAGE',
          'of a CA of the same name',
        )
        t.equal(await code('revoke', 'bea/user.key', '--ca', 'ca'), 'MDM_USAGE', 'no certificate')
        t.equal(await code('revoke', 'nowhere.pem', '--ca', 'ca'), 'MDM_USAGE')
        t.equal(await code('crl', '--ca', 'nowhere'), 'MDM_USAGE')
        const before = await readFile(join(cwd, 'ca/ca.crl'))
        await writeFile(join(cwd, 'ca/ca.crl.part'), '')
        t.equal(await code('revoke', 'ann/user.pem', '--ca', 'ca'), 'MDM_CONFLICT', 'two at once')
        await rm(join(cwd, 'ca/ca.crl.part'))
        await writeFile(join(cwd, 'ca/ca.crl'), '')
        t.equal(await code('crl', '--ca', 'ca'), 'MDM_CONFIG')
        t.equal((await stat(join(cwd, 'ca/ca.crl'))).size, 0)
        t.strictSame(
          await readdir(join(cwd, 'ca')),
          ['ca.crl', 'ca.key', 'ca.pem', 'issued'],
          'nothing is left over',
        )
        await writeFile(join(cwd, 'ca/ca.crl'), before)
      },
    )
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
