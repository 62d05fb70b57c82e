import { createPrivateKey, X509Certificate } from 'node:crypto'
import { chmod, cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import type { Finding } from '@mdm/core/findings'
import type { Probe } from '@mdm/core/grid/probe'
import { createCa, issueCertificate } from '@mdm/core/identity/ca'
import { readCertificate } from '@mdm/core/identity/certificate'
import { nextCrl } from '@mdm/core/identity/crl/write-crl'
import { openRoster, signRoster } from '@mdm/core/identity/roster'
import t, { type Test } from 'tap'
import { checkClock } from '@mdm/core/grid/clock'
import { diagnose } from '../../packages/cli/src/doctor/diagnose.ts'
import { readConfig } from '../../packages/server/src/config.ts'
import { provisionGrid } from '../../packages/server/src/provision/grid.ts'
import { SiteConfig } from '../../packages/server/src/site-config.ts'
import { certificate, CLIENT_AUTH, ed25519, name } from '../core/identity/certificates.ts'
import { runMdm } from '../fixtures/grid.ts'
import { startSiteGrid, type SiteGrid } from '../server/site-grid.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
/** What a finding tells to do must be a command, or name one. */
const COMMAND = /\b(mdm|mdm-server|chmod|mv|rm|cd|df|curl|timedatectl|systemctl|unset)\b/

/** A copy of a user's folder, to plant a fault in. */
async function copyOf(t: Test, grid: SiteGrid) {
  const from = grid.provisioned.users['scientist']!.config
  const dir = t.testdir()
  await cp(dirname(from), dir, { recursive: true })
  const config = join(dir, 'config.json')
  const roster = join(dir, 'rosters', 'demo.jws')
  const use = async (pair: { certificate: string; key: string }) => {
    await writeFile(join(dir, 'scientist.pem'), pair.certificate)
    await writeFile(join(dir, 'scientist.key'), pair.key)
  }
  return { dir, config, roster, use, key: join(dir, 'scientist.key') }
}

/** What is not well, by name; each must say what mends it. */
async function faults(
  t: Test,
  config: string,
  o: { now?: () => Date; folder?: string } = {},
): Promise<Map<string, Finding>> {
  const found = await diagnose({ config }, { folder: t.testdirName, ...o })
  for (const { name, level, message, next } of found) {
    if (level === 'ok') t.equal(next, '', name)
    else t.match(next, COMMAND, `${name}: ${message}`)
  }
  return new Map(found.filter(({ level }) => level !== 'ok').map((f) => [f.name, f]))
}

t.test('each planted fault is named, with the command that mends it', async (t) => {
  const grid = await startSiteGrid(t)
  const ca = {
    certificate: await readFile(join(grid.provisioned.dir, 'ca', 'ca.pem'), 'utf8'),
    key: await readFile(join(grid.provisioned.dir, 'ca', 'ca.key'), 'utf8'),
  }
  const issued = (dates: { notBefore?: Date; notAfter?: Date }) => {
    const key = ed25519()
    const made = certificate({
      subject: name(['O', 'MDM demo'], ['CN', 'scientist']),
      issuer: name(['O', 'MDM demo'], ['CN', 'User CA']),
      ...{ key, signer: createPrivateKey(ca.key), ca: false, eku: [CLIENT_AUTH], keyUsage: 0x80 },
      ...dates,
    })
    return { certificate: made.toString(), key: key.export({ type: 'pkcs8', format: 'pem' }) as string }
  }

  await t.test('nothing is wrong: exit code 0, and everything that was looked at is listed', async (t) => {
    const { config } = await copyOf(t, grid)
    const { code, json } = await runMdm(['doctor', '--json'], { config, cwd: t.testdirName })
    t.equal(code, 0, JSON.stringify(json))
    t.match(json, { kind: 'client', faults: 0 })
    t.strictSame([...new Set(json.findings.map((f: Finding) => f.name))].toSorted(), [
      'certificate',
      'clock',
      'configuration',
      'folder',
      'key',
      'key-server',
      'node',
      'quorum',
      'roster',
      'roster-current',
      'site',
    ])
  })

  await t.test('a wrong clock', async (t) => {
    const { config } = await copyOf(t, grid)
    const found = await faults(t, config, { now: () => new Date(Date.now() + 10 * MINUTE_MS) })
    t.match(found.get('clock'), {
      level: 'fault',
      message: /ahead of those of 4 of 4/,
      next: 'timedatectl set-ntp true',
    })
    t.equal(found.size, 1)
    const behind = await faults(t, config, { now: () => new Date(Date.now() - 2 * MINUTE_MS) })
    t.match(behind.get('clock'), { level: 'warn', message: /behind those of 4 of 4/ })
  })

  await t.test('an expired certificate, one that soon is, and one that is not valid yet', async (t) => {
    const { config, use } = await copyOf(t, grid)
    await use(
      issued({ notAfter: new Date(Date.now() - DAY_MS), notBefore: new Date(Date.now() - 9 * DAY_MS) }),
    )
    const expired = await faults(t, config)
    t.match(expired.get('certificate'), {
      level: 'fault',
      message: /^expired on /,
      next: /^mdm config set --cert/,
    })
    t.match(
      expired.get('site'),
      { level: 'fault', message: /does not accept you/ },
      'and the site says so too',
    )
    await use(
      issued({ notAfter: new Date(Date.now() + 10.5 * DAY_MS), notBefore: new Date(Date.now() - DAY_MS) }),
    )
    const soon = await faults(t, config)
    t.match(soon.get('certificate'), { level: 'warn', message: /: 10 days$/, next: /^mdm config set --cert/ })
    t.equal(soon.size, 1)
    await use(
      issued({ notAfter: new Date(Date.now() + 90 * DAY_MS), notBefore: new Date(Date.now() + DAY_MS) }),
    )
    t.match((await faults(t, config)).get('certificate'), {
      level: 'fault',
      message: /^valid only from/,
      next: /timedatectl/,
    })
  })

  await t.test('a CA that the site does not know', async (t) => {
    const { config, use } = await copyOf(t, grid)
    const other = await createCa({ dn: 'CN=Other CA,O=MDM demo', days: 90 })
    await use(await issueCertificate({ ca: other, dn: 'CN=scientist,O=MDM demo', days: 90, usage: 'client' }))
    const found = await faults(t, config)
    t.match(found.get('certificate'), {
      level: 'fault',
      message: /of a CA that this site does not accept \(it accepts .*user ca/,
      next: /mdm config set --cert/,
    })
  })

  await t.test('modes that let others in, and a key of another certificate', async (t) => {
    const { config, key, roster } = await copyOf(t, grid)
    await chmod(key, 0o644)
    t.match((await faults(t, config)).get('key'), { level: 'fault', subject: key, next: `chmod 600 ${key}` })
    await chmod(key, 0o600)
    await chmod(config, 0o666)
    await chmod(roster, 0o622)
    const open = await faults(t, config)
    t.match(open.get('configuration'), { level: 'fault', next: `chmod 600 ${config}` })
    t.match(open.get('roster'), { level: 'fault', next: `chmod 600 ${roster}` })
    await chmod(config, 0o644)
    t.match((await faults(t, config)).get('configuration'), { level: 'warn' }, 'reading is no fault')
    await writeFile(key, issued({}).key)
    t.match((await faults(t, config)).get('key'), { level: 'fault', next: /^mdm config set --cert/ })
  })

  await t.test('a wrong roster: of another grid, another one of this site, damaged, or none', async (t) => {
    const { config, roster } = await copyOf(t, grid)
    const accepted = await readFile(roster, 'utf8')
    const next = /^mdm config add ROSTER --fingerprint/
    const other = await provisionGrid(join(t.testdirName, 'other'), {
      site: 'demo',
      keyServers: 3,
      threshold: 2,
    })
    const { body } = await openRoster(
      (await readFile(join(other.dir, 'ca', 'demo.roster.jws'), 'utf8')).trim(),
    )
    const signing = async (dir: string) => createPrivateKey(await readFile(join(dir, 'signing.key'), 'utf8'))
    const foreign = { ...body, api: grid.provisioned.site.api }
    const signer = async (of: typeof body, dir: string) => ({
      kid: of.signingKeys[0]!.kid,
      key: await signing(dir),
    })
    await writeFile(roster, await signRoster(foreign, await signer(body, other.site.dir)))
    t.match((await faults(t, config)).get('site'), { level: 'fault', message: /TLS key/, next })

    const mine = (await openRoster(accepted.trim())).body
    const changed = { ...mine, created: new Date(0).toISOString() }
    await writeFile(roster, await signRoster(changed, await signer(mine, grid.provisioned.site.dir)))
    t.match((await faults(t, config)).get('roster-current'), {
      level: 'fault',
      message: /is another than/,
      next,
    })

    await writeFile(roster, accepted.replace('e', 'f'))
    t.match((await faults(t, config)).get('roster'), { level: 'fault', next })
    await writeFile(config, '{ "sites": {} }')
    t.match((await faults(t, config)).get('roster'), { level: 'fault', next })
    await writeFile(config, '{ nonsense')
    const unread = await faults(t, config)
    t.match(unread.get('configuration'), { level: 'fault', next: /^mv .*config\.json/ })
    const nothing = await faults(t, join(t.testdirName, 'nowhere.json'))
    t.match(nothing.get('configuration'), { level: 'fault', next })
  })

  await t.test(
    'a revocation list of the site that has ended, and a certificate that was revoked',
    async (t) => {
      const { config, dir } = await copyOf(t, grid)
      const { config: siteFile, dir: siteDir } = grid.provisioned.site
      const before = await readFile(siteFile)
      const { config: fields } = await readConfig(siteFile, SiteConfig)
      await writeFile(siteFile, JSON.stringify({ ...fields, crls: 'crls' }))
      await mkdir(join(siteDir, 'crls'))
      const restart = async (days: number, revoke: string[] = []) => {
        const now = new Date(Date.now() - 2 * DAY_MS)
        const { pem } = nextCrl({ ca, last: undefined, revoke, days, now })
        await writeFile(join(siteDir, 'crls', 'ca.crl'), pem)
        await grid.stopSite()
        await grid.startSite()
      }
      await restart(1)
      t.match((await faults(t, config)).get('site'), {
        level: 'fault',
        message: /no current revocation list/,
        next: /^mdm-server check site --config site.json, on its machine/,
      })
      const { serial } = readCertificate(new X509Certificate(await readFile(join(dir, 'scientist.pem'))).raw)
      await restart(9, [serial])
      t.match((await faults(t, config)).get('site'), {
        level: 'fault',
        message: /was revoked/,
        next: /^mdm whoami; .*mdm config set --cert/,
      })
      await grid.stopSite()
      await writeFile(siteFile, before)
      await grid.startSite()
      t.equal((await faults(t, config)).get('site'), undefined)
    },
  )

  await t.test('a folder that cannot be written, and a lock that a killed get left', async (t) => {
    const { config, dir } = await copyOf(t, grid)
    const found = await faults(t, config, { folder: join(dir, 'nowhere') })
    t.match(found.get('folder'), { level: 'fault', next: /^cd / })
    const lock = (host: string, pid: number) => JSON.stringify({ host, pid, started: 'long ago' })
    await mkdir(join(dir, 'volumes'))
    await writeFile(join(dir, 'volumes', 'a b.nii.part.lock'), lock(hostname(), 2 ** 22 + 1))
    const ended = await faults(t, config, { folder: join(dir, 'volumes') })
    t.match(ended.get('lock'), { level: 'warn', message: /has ended/, next: /^rm '.*a b\.nii\.part\.lock'$/ })
    await writeFile(join(dir, 'volumes', 'a b.nii.part.lock'), lock('another-node', 7))
    const away = await faults(t, config, { folder: join(dir, 'volumes') })
    t.match(away.get('lock'), { level: 'warn', message: /another-node/, next: /^rm / })
  })

  await t.test(
    'one key server down is a warning, two are a fault, and so is a site that is away',
    async (t) => {
      const { config } = await copyOf(t, grid)
      await grid.stopKeyServer(0)
      const one = await faults(t, config)
      t.match(one.get('quorum'), {
        level: 'warn',
        message: /none more may fail: 2 of 3/,
        next: /systemctl restart/,
      })
      t.match(one.get('key-server'), { level: 'warn', subject: grid.provisioned.keyServers[0]!.url })
      await grid.stopKeyServer(1)
      await grid.stopSite()
      const { code, json, stderr } = await runMdm(['doctor', '--json'], { config })
      t.equal(code, 10, stderr)
      const found = new Map<string, Finding>(json.findings.map((f: Finding) => [f.name, f]))
      t.match(found.get('quorum'), {
        level: 'fault',
        message: /below the threshold: 1 of 3/,
        next: /mdm ping/,
      })
      t.match(found.get('site'), { level: 'fault', subject: grid.provisioned.site.api, next: /^curl / })
      const words = await runMdm(['doctor'], { config })
      t.equal(words.code, 10)
      t.match(words.stdout, /^fault {2}site .*\n +next: curl /m)
      t.match(words.stdout, /[0-9]+ faults, [0-9]+ warnings\n$/)
    },
  )
})

t.test('one server whose clock is wrong is named; when most differ it is this machine', async (t) => {
  const at = (...seconds: number[]): Probe[] =>
    seconds.map((s, i) => ({ url: `https://server-${i}`, answers: true, clockAheadMs: s * 1000 }))
  t.match(checkClock(at(0, 1, -2, 600)), [
    { level: 'fault', subject: 'https://server-3', message: /600 s ahead/ },
  ])
  t.match(checkClock(at(0, 1, -2, -60)), [
    { level: 'warn', subject: 'https://server-3', message: /60 s behind/ },
  ])
  t.match(checkClock(at(600, 601, 0)), [{ level: 'fault', subject: '', message: /behind those of 2 of 3/ }])
  t.match(checkClock(at(0, 3)), [{ level: 'ok' }])
  t.match(checkClock([{ url: 'https://away', answers: false }]), [{ level: 'warn' }])
})
