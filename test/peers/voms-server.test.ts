import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { parseDn } from '@mdm/core/identity/dn'
import { carriedBy } from '@mdm/core/identity/voms/carried'
import { certificate, ec, name } from '../core/identity/certificates.ts'
import { runMdm } from '../fixtures/grid.ts'
import { gridClients } from '../fixtures/peers/grid-clients.ts'
import { CA_DN, NAME_SPACE, RADIOLOGIST, VO, VOMS_HOST, type Issued } from '../fixtures/peers/grid-pki.ts'
import { chainOf, knownBy } from '../fixtures/peers/known-as.ts'
import { missing } from '../fixtures/peers/peer.ts'
import { startStorageGrid, type StorageGrid } from '../fixtures/peers/storage-grid.ts'
import { startVoms, type VomsServers } from '../fixtures/peers/voms-server.ts'
import { registerAll } from '../server/site-grid.ts'

/** Attributes as a real VOMS server signs them, for the real clients of people. */
const exec = promisify(execFile)
const SECOND = 'second.example.org'
const GROUP = `/${VO}/physicians`
const NURSES = `/${VO}/nurses`
/** How docs/attributes.md makes an LSC file. */
const LSC_COMMAND = "openssl x509 -in voms.pem -noout -subject -issuer -nameopt compat | sed 's/^[a-z]*= *//'"
/** Of the series that a grid of tests has. */
const VOXELS = Buffer.from(
  Int16Array.from(
    { length: 8 * 6 * 4 },
    (_, n) => (n % 8) + 10 * (Math.floor(n / 8) % 6) + 100 * Math.floor(n / 48),
  ).buffer,
)

const MDM_SERVER = resolve(import.meta.dirname, '../../packages/server/bin/run.js')

t.setTimeout(180_000)
const grid = missing('arcproxy', 'voms', 'gfal-copy') === undefined ? await startStorageGrid(t) : undefined
const users = grid && {
  alice: await grid.pki.issue('alice', 'Alice Martin'),
  bob: await grid.pki.issue('bob', 'Bob'),
}
const voms = users && (await startVoms(t, grid.pki, organisations(users)))
if (voms === undefined)
  t.pass('skipped: voms-server, voms-mysql-plugin, mariadb-server or the tools of a grid are not installed')
else await withServers({ ...grid!, ...users!, voms })

function organisations({ alice, bob }: { alice: Issued; bob: Issued }) {
  const tags = { nickname: 'alice' }
  return [
    {
      ...{ name: VO, options: ['-newformat'] },
      members: [
        { user: alice, fqans: [RADIOLOGIST, GROUP, NURSES], tags },
        { user: bob, fqans: [GROUP] },
      ],
    },
    // Half an hour, whatever is asked for.
    { name: SECOND, options: ['-timeout', '1800'], members: [{ user: alice, fqans: [`/${SECOND}/team`] }] },
  ]
}

async function withServers({
  voms,
  alice,
  bob,
  ...grid
}: StorageGrid & { voms: VomsServers; alice: Issued; bob: Issued }): Promise<void> {
  const { pki } = grid
  const { vomsdir } = pki
  const known = await knownBy(pki)
  const [dn, all] = [parseDn(alice.dn), [`/${VO}`, GROUP, NURSES]]
  const lsc = (vo: string) => join(vomsdir, vo, `${VOMS_HOST}.lsc`)
  await mkdir(dirname(lsc(SECOND)))
  await exec('sh', ['-c', `${LSC_COMMAND} > ${lsc(SECOND)}`], { cwd: dirname(pki.voms.certificate) })
  /** What `voms-proxy-info` reads of a proxy. */
  const info = async (file: string, ...words: string[]) =>
    (await exec('voms-proxy-info', ['-file', file, ...words])).stdout.trim().split('\n')
  const short = (fqan: string) => fqan.replace('/Capability=NULL', '').replace('/Role=NULL', '')
  const arcproxy = async (from: { certificate: string; key: string }, ...words: string[]) => {
    const out = `${from.certificate}.arc`
    const env = {
      ...{ ...process.env, HOME: pki.dir, X509_CERT_DIR: pki.certificates, X509_VOMS_DIR: vomsdir },
      ...{ X509_USER_CERT: from.certificate, X509_USER_KEY: from.key, X509_USER_PROXY: out },
    }
    await exec('arcproxy', words, { env })
    return out
  }
  const both = (file: string) => ({ certificate: file, key: file })

  // Each takes a second, nearly all of it to make keys.
  const [role, plain, two, limited, hour, ofBob] = await Promise.all([
    voms.init(alice, '-voms', `${VO}:${RADIOLOGIST}`),
    voms.init(alice, '-voms', VO, '-order', NURSES),
    voms.init(alice, '-voms', VO, '-voms', SECOND),
    voms.init(alice, '-limited', '-voms', `${VO}:${GROUP}`),
    voms.init(alice, '-voms', VO, '-hours', '12', '-vomslife', '1:00'),
    voms.init(bob, '-voms', VO),
  ])

  t.test('the FQANs of a real attribute certificate are read, in the order of its server', async (t) => {
    for (const [file, first, set] of [
      [role, RADIOLOGIST, [...all, RADIOLOGIST]],
      [plain, NURSES, all],
      [ofBob, undefined, [`/${VO}`, GROUP]],
    ] as const) {
      const { fqans } = (await known(file))!
      t.strictSame(fqans, (await info(file, '-fqan')).map(short), 'as voms-proxy-info says')
      t.strictSame([...fqans].sort(), [...set].sort())
      if (first !== undefined) t.equal(fqans[0], first, 'what was asked for comes first')
    }
    t.equal((await known(role))!.dn, dn)
    t.match((await info(role, '-all')).join('\n'), /attribute : nickname = /, 'and a tag does no harm')
  })

  t.test('who has not the role is not given it, nor is a suspended user given anything', async (t) => {
    await t.rejects(voms.init(bob, '-voms', `${VO}:${RADIOLOGIST}`), /Unable to satisfy/)
    voms.suspend(VO, alice)
    await t.rejects(voms.init(alice, '-voms', VO), /suspended/)
    voms.suspend(VO, alice, false)
  })

  t.test('a server names the holder by issuer, or without -newformat by subject', async (t) => {
    const held = async (file: string) =>
      carriedBy((await chainOf(file))[0]!).map((one) => ('holder' in one ? one.holder.issuer : one.code))
    t.strictSame(await held(two), [parseDn(CA_DN), dn])
    const both = [...all, `/${SECOND}`, `/${SECOND}/team`]
    t.strictSame([...(await known(two))!.fqans].sort(), both.sort())
    const [subject, key] = [name(['CN', 'Other CA']), ec()]
    const other = certificate({ subject, key, ca: true, keyUsage: 0x06 })
    const beside = await knownBy(pki, [{ certificate: other, nameSpaces: [parseDn(NAME_SPACE)] }])
    t.strictSame([...(await beside(two))!.fqans].sort(), [...all].sort(), 'which two CAs could have given')
  })

  t.test('a limited proxy, one below another, and one that ARC asked the server for', async (t) => {
    t.equal((await known(limited))!.fqans[0], GROUP)
    const { fqans } = (await known(role))!
    t.strictSame(await known(await arcproxy(both(role))), { dn, fqans })
    const vomses = join(pki.dir, 'vomses')
    await writeFile(vomses, voms.vomses)
    const own = await arcproxy(alice, '-B', '-V', vomses, '-S', `${VO}:${RADIOLOGIST}`)
    t.strictSame(await known(own), { dn, fqans })
  })

  t.test('attributes that end before their proxy leave its owner known', async (t) => {
    const at = async (file: string, minutes: number) =>
      await known(file, new Date(Date.now() + minutes * 60_000)).catch(({ code }) => code)
    t.equal((await at(hour, 55)).fqans.length, 3)
    t.strictSame(await at(hour, 61), { dn, fqans: [] })
    t.equal(await at(hour, 12 * 60 + 1), 'MDM_CREDENTIAL_EXPIRED')
    t.strictSame([...(await at(two, 31)).fqans].sort(), [...all].sort(), 'one server gave half an hour')
  })

  t.test('attributes of a server whose certificate the LSC file does not name are none', async (t) => {
    const good = await readFile(lsc(VO), 'utf8')
    await writeFile(lsc(VO), good.replace(VOMS_HOST, 'localhost'))
    t.strictSame(await known(role), { dn, fqans: [] })
    await writeFile(lsc(VO), good)
    t.equal((await known(role))!.fqans[0], RADIOLOGIST)
  })

  t.test('what is granted to a role is its holder’s: mdm, gfal2, and what each server says', async (t) => {
    const clients = (await gridClients(t, pki))!
    const { admin, stranger } = grid.provisioned.users
    const [registered] = (await registerAll(await grid.as('admin'))).filter((e) => e.type === 'registered')
    const { guid } = registered!.volume
    const grant = ['acl', 'grant', guid, '--to', RADIOLOGIST, '--preset', 'process']
    const granted = await runMdm(grant, { config: admin!.config })
    t.equal(granted.code, 0, granted.stderr)
    const at = (file: string) => join(clients.folder, file)
    /** Somebody else's configuration: the proxy of the environment comes before what it says. */
    const mdm = async (proxy: string, ...words: string[]) =>
      await runMdm(words, { config: stranger!.config, env: { X509_USER_PROXY: proxy } })
    const gfal = async (proxy: string, out: string) =>
      await clients.run(proxy, 'gfal-copy', grid.surl(guid), `file://${at(out)}`)
    const [mine, copied, his, notCopied] = await Promise.all([
      mdm(role, 'get', guid, '-o', at('mine.nrrd')),
      gfal(role, 'copy.mdm'),
      mdm(ofBob, 'get', guid, '-o', at('his.nrrd')),
      gfal(ofBob, 'his.mdm'),
    ])
    t.equal(mine.code, 0, mine.stderr)
    t.equal(copied.code, 0, copied.stderr)
    t.strictSame([his.code, notCopied.code], [3, 2], 'a member without the role')
    t.notOk(existsSync(at('his.nrrd')) || existsSync(at('his.mdm')))
    const { config } = grid.provisioned.site
    const [opened, whoami, check] = await Promise.all([
      mdm(role, 'decrypt', at('copy.mdm'), '-o', at('copy.nrrd')),
      mdm(role, 'whoami', '--check'),
      exec(process.execPath, [MDM_SERVER, 'check', 'site', '--config', config, '--user', role]).catch(
        (error: { stdout: string }) => error,
      ),
    ])
    t.equal(opened.code, 0, opened.stderr)
    for (const file of ['mine.nrrd', 'copy.nrrd']) {
      const nrrd = await readFile(at(file))
      t.ok(nrrd.subarray(nrrd.indexOf('\n\n') + 2).equals(VOXELS), `${file}: the right voxels`)
    }
    t.equal(whoami.stdout.split(`accepts you  ${RADIOLOGIST}`).length, 5, 'the site and three key servers')
    t.match(check.stdout, `${VOMS_HOST}: ${RADIOLOGIST}`)
  })
}
