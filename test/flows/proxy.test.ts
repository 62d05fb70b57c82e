import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { changeGroup, grant, revoke } from '@mdm/core/access/acl'
import { openSession, type Session } from '@mdm/core/access/session'
import { loadConfig } from '@mdm/core/config'
import type { Finding } from '@mdm/core/findings'
import { parseDn } from '@mdm/core/identity/dn'
import { LANGUAGE, writePolicy } from '@mdm/core/identity/proxy/policy'
import { getStatements, getWhoami, postStatement } from '@mdm/core/wire/common'
import type { Guid } from '@mdm/core/names'
import { listQuarantine } from '@mdm/core/wire/quarantine'
import { postRegister } from '@mdm/core/wire/register'
import { diagnose } from '../../packages/cli/src/doctor/diagnose.ts'
import { checkSite } from '../../packages/server/src/check/site.ts'
import { holderOf, proxyFile, proxyOf, type ProxyOptions } from '../fixtures/x509/proxies.ts'
import { runMdm } from '../fixtures/grid.ts'
import { registerAll, startSiteGrid, type User } from '../server/site-grid.ts'

const grid = await startSiteGrid(t, { series: [{}, {}] })
const { provisioned } = grid
const admin = await grid.as('admin')
const events = (await registerAll(admin)).filter((event) => event.type === 'registered')
const [guid, other] = events.map(({ volume }) => volume.guid) as [Guid, Guid]
const pathOf = (user: User, name: string) => provisioned.users[user]!.config.replace('config.json', name)
const { issuer } = admin.credential.identity
for (const volume of [guid, other])
  await grant(admin, volume, {
    to: { kind: 'user', dn: parseDn(provisioned.users.scientist!.dn), issuer },
    preset: 'process',
  })

/** A file that holds a proxy of a user. */
async function proxyFor(user: User, o: ProxyOptions = {}): Promise<string> {
  const [certificate, key] = await Promise.all(
    ['pem', 'key'].map((ending) => readFile(pathOf(user, `${user}.${ending}`), 'utf8')),
  )
  const holder = holderOf(new X509Certificate(certificate!), createPrivateKey(key!))
  const file = join(t.testdirName, `${user}-${++made}.pem`)
  await writeFile(file, proxyFile(proxyOf(holder, o)), { mode: 0o600 })
  return file
}
let made = 0
t.testdir()

async function sessionBy(user: User, file: string): Promise<Session> {
  const session = await openSession(await loadConfig({ config: provisioned.users[user]!.config, cert: file }))
  t.teardown(() => session.close())
  return session
}

const { config } = provisioned.users.scientist!
const codeOf = (run: { stdout: string }) =>
  (JSON.parse(run.stdout) as { error?: { code: string } }).error?.code

t.test('a job that carries only X509_USER_PROXY gets a volume as its owner', async (t) => {
  const env = { X509_USER_PROXY: await proxyFor('scientist') }
  const stored = JSON.parse(await readFile(config, 'utf8')) as object
  const bare = join(provisioned.users.scientist!.config, '..', 'job.json')
  await writeFile(bare, JSON.stringify({ ...stored, credential: undefined }))
  const who = await runMdm(['whoami', '--check', '--json'], { config: bare, env })
  t.match(who.json, { dn: /^CN=scientist, O=mdm demo$/, proxy: 'full' }, who.stderr)
  t.match(
    who.json.servers,
    Array.from({ length: 4 }, () => ({ dn: 'CN=scientist,O=mdm demo' })),
  )
  const out = join(t.testdir(), 'volume.nrrd')
  const get = await runMdm(['get', guid, '-o', out, '--json'], { config: bare, env })
  t.equal(get.code, 0, get.stderr)
  t.match(await readFile(out, 'latin1'), /^NRRD/)
  const log = await readFile(join(provisioned.site.dir, 'audit.jsonl'), 'utf8')
  // Key servers write there too, whenever they compare their lists.
  const got = log.split('\n').filter((line) => line.includes('"volume.get"'))
  t.match(got.at(-1), /scientist/i, 'the audit log has the owner')
})

t.test('a restricted proxy reaches what it names, and nothing else exists for it', async (t) => {
  const limits = { guids: [guid], operations: ['read-file' as const] }
  const day = { notBefore: new Date(), notAfter: new Date(Date.now() + 86_400_000) }
  const policy = writePolicy(limits)
  const file = await proxyFor('scientist', { ...day, language: LANGUAGE.mdmLimits, policy })
  const by = (...args: string[]) => runMdm([...args, '--cert', file, '--json'], { config })
  const who = await by('whoami', '--check')
  t.match(who.json, { proxy: 'restricted', limits }, who.stderr)
  const session = await sessionBy('scientist', file)
  t.match(await session.site.call(getWhoami), { proxy: 'restricted', limits })
  t.match(await session.keyServers[0]!.peer.call(getWhoami), { proxy: 'restricted', limits })
  const shown = await runMdm(['whoami', '--cert', file], { config })
  t.match(shown.stdout, /proxy +restricted to read-file of /)
  const raw = join(t.testdir(), 'volume.mdm')
  t.equal((await by('get', '--level', 'raw', guid, '-o', raw)).code, 0)
  t.equal((await by('get', '--level', 'raw', other, '-o', `${raw}2`)).code, 3)
  t.equal((await by('get', guid, '-o', join(t.testdirName, 'v.nrrd'))).code, 4, 'no key')
  t.strictSame(
    ((await by('ls')).json.rows as { guid: string }[]).map((row) => row.guid),
    [guid],
  )
})

t.test('a proxy of an administrator administers nothing, at the site and at key servers', async (t) => {
  const file = await proxyFor('admin')
  const session = await sessionBy('admin', file)
  const denied = { code: 'MDM_DENIED' }
  await t.rejects(session.site.stream(postRegister, { body: {} }), denied)
  await t.rejects(session.site.call(listQuarantine), denied)
  const params = { site: admin.roster.body.site, scope: guid, object: 'key' as const }
  // The site says who may list a volume that he may not administer it; a key server says nothing.
  for (const [own, peer, code] of [
    [admin.site, session.site, 'MDM_DENIED'],
    [admin.keyServers[0]!.peer, session.keyServers[0]!.peer, 'MDM_NOT_FOUND'],
  ] as const) {
    const { statements } = await own.call(getStatements, { params })
    const body = { statement: statements.at(-1)! }
    await own.call(postStatement, { body })
    await t.rejects(peer.call(getStatements, { params }), { code })
    await t.rejects(peer.call(postStatement, { body }), { code })
  }
  for (const peer of [session.site, ...session.keyServers.map((server) => server.peer)])
    peer.call = () => Promise.reject(new Error('it was sent'))
  const to = { kind: 'user' as const, dn: parseDn('CN=x'), issuer }
  await t.rejects(grant(session, guid, { to, preset: 'admin' }), { code: 'MDM_CONFIG' })
  await t.rejects(revoke(session, guid, { from: to }), { code: 'MDM_CONFIG' })
  await t.rejects(changeGroup(session, 'staff', { op: 'join', member: to }), { code: 'MDM_CONFIG' })
  const { config } = provisioned.users.admin!
  const run = await runMdm(
    [
      'acl',
      'grant',
      guid,
      '--to',
      admin.credential.identity.dn,
      '--preset',
      'process',
      '--cert',
      file,
      '--json',
    ],
    { config },
  )
  t.equal(run.code, 2)
  t.equal(codeOf(run), 'MDM_CONFIG')
})

t.test('doctor and check say of a proxy what they say of a certificate', async (t) => {
  const good = await proxyFor('scientist')
  const look = async (cert: string) => {
    const found = await diagnose({ config, cert }, { folder: t.testdirName })
    return found.find(({ name }) => name === 'certificate') as Finding
  }
  t.match(await look(good), { level: 'ok', message: /scientist.* by a full proxy, valid until 20/ })
  const soon = await proxyFor('scientist', { notAfter: new Date(Date.now() + 600_000) })
  t.match(await look(soon), { level: 'warn', message: /: (?:9|10) minutes/, next: /^make a new proxy/ })
  const ended = await proxyFor('scientist', { notAfter: new Date(Date.now() - 60_000) })
  t.match(await look(ended), { level: 'fault', message: /^expired/, next: /^make a new proxy/ })
  const user = (await checkSite(provisioned.site.config, { users: [good, ended] })).filter(
    (f) => f.name === 'user',
  )
  t.match(user, [{ level: 'ok', message: /scientist/ }, { level: 'fault' }])
  const run = await runMdm(['ls'], { config, env: { MDM_CERT: ended } })
  t.equal(run.code, 12, 'an expired proxy is not sent')
})
