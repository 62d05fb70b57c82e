import { createPrivateKey, X509Certificate } from 'node:crypto'
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import t from 'tap'
import type { Finding } from '@mdm/core/findings'
import { openCrlFolder } from '@mdm/core/identity/crl/crl-folder'
import { nextCrl } from '@mdm/core/identity/crl/write-crl'
import { readCertificate } from '@mdm/core/identity/certificate'
import { parseDn } from '@mdm/core/identity/dn'
import { openRoster } from '@mdm/core/identity/roster'
import { nameHash } from '@mdm/core/identity/signing-policy/name-hash'
import { checkCrls } from '../../../packages/server/src/check/crls.ts'
import { guarded } from '../../../packages/server/src/check/guarded.ts'
import { checkKeys } from '../../../packages/server/src/check/keys.ts'
import { checkRosterContent } from '../../../packages/server/src/check/roster-content.ts'
import { checkSite } from '../../../packages/server/src/check/site.ts'
import { nextRoster } from '../../../packages/server/src/provision/next-roster.ts'
import { renewServiceCertificate } from '../../../packages/server/src/provision/renew.ts'
import { KeysConfig, readConfig } from '../../../packages/server/src/config.ts'
import { SiteConfig } from '../../../packages/server/src/site-config.ts'
import { certificate, name } from '../../core/identity/certificates.ts'
import { until } from '../site-grid.ts'
import { illOf, makeInstallation, makePeople, named } from './installation.ts'

const made = await makeInstallation(t)
await made.startSite()
const { config: siteFile, dir: siteDir } = made.site
const keysFile = made.keyServers[0]!.config
const inSite = (file: string) => join(siteDir, file)

/** All that may be so on a machine without an encrypted disk, with little room and five servers on it. */
const usual = new Set(['warn encrypted-volume', 'warn operators', 'warn spool'])
const unusual = (findings: readonly Finding[]) => illOf(findings).filter((text) => !usual.has(text))

/** Writes a file over for the time of one check. */
async function withFile<T>(file: string, content: string | Buffer, check: () => Promise<T>): Promise<T> {
  const before = readFileSync(file)
  chmodSync(file, 0o600)
  writeFileSync(file, content)
  try {
    return await check()
  } finally {
    writeFileSync(file, before)
  }
}

/** The site's configuration with other fields. */
async function withFields(fields: object): Promise<Finding[]> {
  const { config } = await readConfig(siteFile, SiteConfig)
  return await withFile(siteFile, JSON.stringify({ ...config, ...fields }), () => checkSite(siteFile))
}

/** The key server's, likewise. */
async function withKeysFields(fields: object): Promise<Finding[]> {
  const { config } = await readConfig(keysFile, KeysConfig)
  return await withFile(keysFile, JSON.stringify({ ...config, ...fields }), () => checkKeys(keysFile))
}

function snapshot(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .map((file) => {
      const { mode, size, mtimeMs } = statSync(join(dir, file))
      return `${file} ${mode} ${size} ${mtimeMs}`
    })
    .sort()
}

t.test('a healthy installation has no fault, and each server says that it runs', async (t) => {
  // Key servers that start together hear one another first.
  await until(async () => unusual(await checkSite(siteFile)).length === 0)
  const site = await checkSite(siteFile, { users: [made.administrator] })
  t.strictSame(unusual(site), [])
  const keys = await checkKeys(keysFile)
  t.strictSame(unusual(keys), [])
  for (const findings of [site, keys])
    t.ok(findings.some(({ name, level }) => name === 'server' && level === 'ok'))
  const count = (n: string) => site.filter(({ name }) => name === n).length
  t.strictSame(
    [count('key-server'), count('roster-at-key-server'), count('user'), count('schema')],
    [5, 5, 1, 1],
  )
})

t.test('the clock: 45 s apart is a warning, 400 s a fault, at a site and at a key server', async (t) => {
  for (const check of [checkSite, checkKeys]) {
    const file = check === checkSite ? siteFile : keysFile
    const ahead = (seconds: number) => ({ now: () => new Date(Date.now() + seconds * 1_000) })
    t.match(named(await check(file, ahead(45)), 'clock'), [
      { level: 'warn', next: /timedatectl set-ntp true/ },
    ])
    t.match(named(await check(file, ahead(-400)), 'clock'), [
      { level: 'fault', message: /clock is (39|40)[0-9] s behind/, next: /timedatectl set-ntp true/ },
    ])
  }
})

t.test(
  'an expired certificate, and one that ends within 30 days, name the command that renews it',
  async (t) => {
    const file = inSite('tls.pem')
    const key = createPrivateKey(readFileSync(inSite('tls.key')))
    const subject = name(['CN', 'MDM site example'])
    const days = (n: number) => new Date(Date.now() + n * 86_400_000)
    const old = certificate({
      subject,
      issuer: subject,
      key,
      signer: key,
      notBefore: days(-20),
      notAfter: days(-1),
    })
    const before = readFileSync(file)
    const expired = await withFile(file, old.toString(), () => checkSite(siteFile))
    t.match(named(expired, 'tls-certificate'), [
      { level: 'fault', message: /expired on/, next: `mdm-server renew --config ${siteFile}` },
    ])
    writeFileSync(file, old.toString())
    await renewServiceCertificate({ certificate: file, key: inSite('tls.key') }, 20)
    const renewed = await checkSite(siteFile)
    t.match(named(renewed, 'tls-certificate'), [
      { level: 'warn', message: /expires in 19 days/, next: /mdm-server renew/ },
    ])
    t.strictSame(named(renewed, 'key-server'), [], 'the key is the one that the roster names')
    writeFileSync(file, before)
  },
)

t.test(
  'the wrong roster: a key server that has none, or an older one, is named with what to type there',
  async (t) => {
    const dir = join(made.keyServers[1]!.dir, 'rosters')
    await made.stopKeys(1)
    renameSync(dir, `${dir}.kept`)
    const keys = await checkKeys(made.keyServers[1]!.config)
    t.match(named(keys, 'roster'), [
      { level: 'fault', next: /mdm-server keys trust ROSTER --fingerprint FINGERPRINT --config/ },
    ])
    await made.startKeys(1)
    t.match(named(await checkSite(siteFile), 'roster-at-key-server'), [
      {
        level: 'fault',
        subject: made.keyServers[1]!.entry.url,
        next: `mdm-server keys trust ${inSite('rosters/example.1.jws')} --fingerprint ${made.site.fingerprint}`,
      },
    ])
    await made.stopKeys(1)
    rmSync(dir, { recursive: true })
    renameSync(`${dir}.kept`, dir)
    await made.startKeys(1)

    const kept = t.testdir()
    cpSync(inSite('rosters'), join(kept, 'rosters'), { recursive: true })
    const people = await makePeople(kept, 'Second CA')
    const next = await nextRoster(siteFile, {
      cas: [people.ca],
      nameSpaces: [],
      administrators: [],
      keyServers: [],
    })
    const findings = await checkSite(siteFile)
    t.equal(named(findings, 'roster-at-key-server').length, 5)
    t.match(named(findings, 'roster-at-key-server')[0], {
      message: /it holds roster 1 .* at 2/,
      next: next.fingerprint,
    })
    rmSync(inSite('rosters/example.2.jws'))
  },
)

t.test('a roster that does not name this key server, or names another TLS key, is named', async (t) => {
  const [first, second] = [made.keyServers[0]!.dir, made.keyServers[1]!.dir]
  const otherId = await withFile(
    join(first, 'identity.key'),
    readFileSync(join(second, 'identity.key')),
    () => checkKeys(keysFile),
  )
  t.match(named(otherId, 'roster'), [{ level: 'fault', message: /names another TLS key/ }])
  const identity = readFileSync(inSite('signing.key'))
  const unknown = await withFile(join(first, 'identity.key'), identity, () => checkKeys(keysFile))
  t.match(named(unknown, 'roster'), [
    { level: 'fault', message: /does not name this key server/, next: /server\.json/ },
  ])
})

t.test('a source that is not there is named, with the field to mend', async (t) => {
  renameSync(made.source, `${made.source}.away`)
  t.match(named(await checkSite(siteFile), 'source'), [
    { level: 'fault', subject: 'folder', next: /findmnt.*site\.json/ },
  ])
  renameSync(`${made.source}.away`, made.source)
  const pacs = { sources: [{ name: 'pacs', url: 'gopher://pacs.example:104' }] }
  t.match(named(await withFields(pacs), 'source'), [{ level: 'fault', subject: 'pacs', next: /site\.json/ }])
  t.match(named(await withFields({ sources: [] }), 'source'), [{ level: 'fault', next: /site\.json/ }])
})

t.test(
  'two key servers down are named, and that no more may fail; with three down no volume can be read',
  async (t) => {
    await made.stopKeys(3)
    await made.stopKeys(4)
    const two = await checkSite(siteFile)
    t.strictSame(
      named(two, 'key-server').map(({ level, subject, next }) => [
        level,
        subject,
        /systemctl restart mdm-keys/.test(next),
      ]),
      [3, 4].map((i) => ['fault', made.keyServers[i]!.entry.url, true]),
    )
    t.match(named(two, 'quorum'), [{ level: 'warn', message: /3 of 5 .* no more may fail/ }])
    await made.stopKeys(2)
    t.match(named(await checkSite(siteFile), 'quorum'), [
      { level: 'fault', message: /2 of 5 .* no volume can be read/ },
    ])
    for (const i of [2, 3, 4]) await made.startKeys(i)
  },
)

t.test('a spool without room, and one that promises more than its disk has', async (t) => {
  const spool = (quotaBytes: number) => ({ spool: { dir: 'spool', quotaBytes } })
  t.match(named(await withFields(spool(1_000)), 'spool'), [
    { level: 'fault', message: /full/, next: /spool\.quotaBytes/ },
  ])
  t.match(named(await withFields(spool(2 ** 52)), 'spool'), [
    { level: 'warn', next: /set spool\.quotaBytes to [0-9]+ .*du -x/ },
  ])
})

t.test('files and folders that others may see are named with the chmod that closes them', async (t) => {
  chmodSync(inSite('tls.key'), 0o644)
  chmodSync(inSite('pseudonym.key'), 0o440)
  chmodSync(siteDir, 0o755)
  const findings = named(await checkSite(siteFile), 'file-mode')
  t.strictSame(findings.map(({ next }) => next).sort(), [
    `chmod 400 ${inSite('pseudonym.key')}`,
    `chmod 400 ${inSite('tls.key')}`,
    `chmod 700 ${siteDir}`,
  ])
  chmodSync(siteDir, 0o700)
  chmodSync(inSite('tls.key'), 0o600)
  chmodSync(inSite('pseudonym.key'), 0o400)
  const key = join(dirname(keysFile), 'store.key')
  renameSync(key, `${key}.away`)
  t.match(named(await checkKeys(keysFile), 'file'), [{ level: 'fault', subject: key, message: /missing/ }])
  renameSync(`${key}.away`, key)
})

t.test(
  'a user of a CA that the roster does not name is named, with who may issue and what adds the CA',
  async (t) => {
    const stranger = await makePeople(t.testdir(), 'Strange CA')
    t.match(named(await checkSite(siteFile, { users: [stranger.user] }), 'user'), [
      {
        level: 'fault',
        subject: stranger.user,
        next: /"CN=lab ca, O=example hospital".*mdm-server roster --config/,
      },
    ])
  },
)

t.test(
  'a revocation list that has ended, ends soon, is missing, damaged or not by the CA is named, with what makes a new one',
  async (t) => {
    const folder = join(t.testdir(), 'crls')
    const ca = { certificate: readFileSync(made.ca, 'utf8'), key: made.caKey }
    const list = (o: { days: number; ago?: number; by?: typeof ca }) => {
      const now = new Date(Date.now() - (o.ago ?? 0) * 86_400_000)
      return nextCrl({ ca: o.by ?? ca, last: undefined, revoke: ['41'], days: o.days, now }).pem
    }
    const found = async (files: Record<string, string>, fields: object = {}) => {
      rmSync(folder, { recursive: true, force: true })
      mkdirSync(folder)
      for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text)
      return (await withFields({ crls: folder, ...fields })).filter(({ name }) => name === 'crl')
    }
    const subject = 'CN=lab ca, O=example hospital'
    const next = new RegExp(`put a new list of "${subject}" into ${folder}: mdm ca crl --ca DIR`)
    const fault = { level: 'fault', subject, next }
    t.match(await found({ 'a.crl': list({ days: 30 }) }), [
      { level: 'ok', subject, message: /with 1 revoked/ },
    ])
    t.match(await found({ 'a.crl': list({ days: 5, ago: 6 }) }), [{ ...fault, message: /ended at 20/ }])
    t.match(await found({ 'a.crl': list({ days: 5, ago: 6 }) }, { crlGraceHours: 48 }), [
      { level: 'warn', subject, message: /crlGraceHours/, next },
    ])
    t.match(await found({ 'a.crl': list({ days: 30, ago: 28 }) }), [
      { level: 'warn', subject, message: /ends in 4[78] hours/, next },
    ])
    t.match(await found({ 'a.crl': list({ days: 2 }) }), [{ level: 'ok' }], 'one that is made often')
    t.match(await found({}), [{ ...fault, message: /no list of this CA/ }])
    const file = { level: 'fault', subject: join(folder, 'a.crl'), next: new RegExp(`rm ${folder}/a.crl`) }
    t.match(await found({ 'a.crl': 'words' }), [{ ...file, message: /holds no/ }, fault])
    const stranger = await makePeople(t.testdirName, 'Lab CA')
    const wrong = list({ days: 30, by: stranger.pair })
    t.match(await found({ 'a.crl': wrong }), [{ ...file, message: /not signed by its CA/ }, fault])
    const other = list({ days: 30, by: (await makePeople(t.testdirName, 'Other CA')).pair })
    t.match(await found({ 'a.crl': list({ days: 30 }), 'b.crl': other }), [
      { level: 'warn', subject: join(folder, 'b.crl'), message: /no roster names/, next: /--ca CA.pem/ },
      { level: 'ok' },
    ])
    rmSync(folder, { recursive: true })
    t.match(
      (await withFields({ crls: folder })).filter(({ name }) => name === 'crl'),
      [{ level: 'fault', subject: folder, next: new RegExp(`^mkdir -p ${folder}`) }, fault],
    )
    t.match(
      await checkCrls({ folder: undefined, crls: openCrlFolder(undefined), cas: [], now: new Date() }),
      [{ level: 'ok', message: /no folder is configured/ }],
    )
  },
)

t.test('a signing policy that cannot be used is named, and whom it lets in no more', async (t) => {
  const folder = t.testdir()
  const ca = { certificate: readFileSync(made.ca, 'utf8'), key: made.caKey }
  const list = nextCrl({ ca, last: undefined, revoke: [], days: 30, now: new Date() })
  writeFileSync(join(folder, 'a.crl'), list.pem)
  const { subjectDer } = readCertificate(new X509Certificate(ca.certificate).raw)
  const policy = join(folder, `${nameHash(subjectDer)}.signing_policy`)
  const found = async (subjects: string) => {
    const lines = [
      "access_id_CA X509 '/O=Example Hospital/CN=Lab CA'",
      'pos_rights globus CA:sign',
      `cond_subjects globus '"${subjects}"'`,
    ]
    writeFileSync(policy, lines.join('\n'))
    const { config } = await readConfig(siteFile, SiteConfig)
    const fields = JSON.stringify({ ...config, crls: folder })
    return await withFile(siteFile, fields, () => checkSite(siteFile, { users: [made.administrator] }))
  }
  const good = await found('/O=Example Hospital/*')
  t.strictSame(named(good, 'signing-policy'), [])
  t.match(
    good.filter(({ name }) => name === 'user'),
    [{ level: 'ok' }],
  )
  t.match(named(await found('/O=Other/*'), 'user'), [
    { level: 'fault', message: /name its issuer may not give/ },
  ])
  const bad = await found('Hospital')
  t.match(named(bad, 'signing-policy'), [{ level: 'fault', subject: policy, next: /^get it anew.*rm / }])
  t.match(named(bad, 'user'), [{ level: 'fault', message: /signing policy/ }])
})

t.test('a VOMS server of a CA that no roster names, and a file that names none, are named', async (t) => {
  const folder = join(t.testdir(), 'vomsdir')
  const found = async (files: Record<string, string>) => {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(join(folder, 'vo.example.org'), { recursive: true })
    for (const [file, text] of Object.entries(files))
      writeFileSync(join(folder, 'vo.example.org', file), text)
    const keys = await withKeysFields({ vomsdir: folder })
    const site = await withFields({ vomsdir: folder })
    t.strictSame(named(keys, 'voms'), named(site, 'voms'), 'site and key server say the same')
    return site.filter(({ name }) => name === 'voms')
  }
  const subject = join(folder, 'vo.example.org', 'voms.example.org.lsc')
  const [server, ca] = ['/O=Example Hospital/CN=voms.example.org', '/O=Example Hospital/CN=Lab CA']
  t.match(await found({ 'voms.example.org.lsc': `${server}\n${ca}\n` }), [
    { level: 'ok', subject, message: /voms.example.org says who is in which group of vo.example.org/ },
  ])
  t.match(await found({ 'voms.example.org.lsc': `${server}\n/CN=Other CA\n` }), [
    { level: 'warn', subject, message: /CN=other ca/, next: /--ca CA.pem.*rm / },
  ])
  t.match(await found({ 'voms.example.org.lsc': 'words' }), [
    { level: 'fault', subject, message: /^line 1/, next: /two lines/ },
  ])
  t.strictSame(await found({}), [])
  rmSync(folder, { recursive: true })
  t.match(
    (await withFields({ vomsdir: folder })).filter(({ name }) => name === 'voms'),
    [{ level: 'fault', subject: folder, next: new RegExp(`^mkdir -p ${folder}`) }],
  )
  t.match(
    (await checkSite(siteFile)).filter(({ name }) => name === 'voms'),
    [{ level: 'ok', message: /no folder is configured/ }],
  )
})

t.test(
  'an old schema and a newer one are told apart, and the old one names the start that mends it',
  async (t) => {
    await made.stopSite()
    const change = (sql: string) => {
      const db = new DatabaseSync(inSite('site.sqlite'))
      db.exec(sql)
      db.close()
    }
    change(`create table kept as select * from kysely_migration; delete from kysely_migration`)
    t.match(named(await checkSite(siteFile), 'schema'), [
      { level: 'fault', message: /old/, next: /mdm-server site --config/ },
    ])
    change(
      `insert into kysely_migration select * from kept; insert into kysely_migration values ('999-later', 'x')`,
    )
    t.match(named(await checkSite(siteFile), 'schema'), [
      { level: 'fault', message: /newer MDM.*"999-later"/, next: /install that version/ },
    ])
    await t.rejects(made.startSite(), { code: 'MDM_CONFIG', message: /newer MDM.*"999-later"/ })
    change(`delete from kysely_migration where name = '999-later'; drop table kept`)
    t.strictSame(named(await checkSite(siteFile), 'schema'), [])
    await made.startSite()
  },
)

t.test('an altered audit log, a broken store, ban list or configuration, and swapped keys', async (t) => {
  await made.stopSite()
  const log = readFileSync(inSite('audit.jsonl'), 'utf8')
  const altered = await withFile(inSite('audit.jsonl'), log.replace('"seq":0', '"seq":7'), () =>
    checkSite(siteFile),
  )
  t.match(named(altered, 'audit'), [{ level: 'fault', message: /line 1/, next: /do not start the server/ }])
  const broken = await withFile(
    inSite('site.sqlite'),
    'no database at all, but long enough'.repeat(100),
    () => checkSite(siteFile),
  )
  t.match(named(broken, 'store'), [{ level: 'fault', next: /mdm-server restore/ }])
  await made.startSite()
  writeFileSync(inSite('bans.json'), '{"not": "a list"}')
  t.match(named(await checkSite(siteFile), 'bans'), [{ level: 'fault', subject: inSite('bans.json') }])
  rmSync(inSite('bans.json'))
  const signing = await withFile(
    inSite('signing.key'),
    readFileSync(join(dirname(keysFile), 'identity.key')),
    () => checkSite(siteFile),
  )
  t.match(named(signing, 'signing-key'), [{ level: 'fault', next: /signing\.key from the last backup/ }])
  const text = readFileSync(siteFile, 'utf8').replace('"kind": "site",', '"kind": "site"')
  const unread = await withFile(siteFile, text, () => checkSite(siteFile))
  t.match(illOf(unread), ['fault configuration'])
  t.match(named(unread, 'configuration'), [{ message: /line [0-9]+/ }])
})

t.test('another program on the port, and a server that does not run', async (t) => {
  await made.stopSite()
  t.match(named(await checkSite(siteFile), 'server'), [
    { level: 'warn', message: /does not run/, next: /mdm-server site/ },
  ])
  const { port } = new URL(made.keyServers[0]!.entry.url)
  const taken = await withFields({ listen: { host: '127.0.0.1', port: Number(port) } })
  t.match(named(taken, 'server'), [
    { level: 'fault', message: /another program/, next: new RegExp(`sport = :${port}`) },
  ])
})

t.test(
  'folders that are not there yet are named with what makes them, and no part stops the others',
  async (t) => {
    const away = {
      audit: 'logs/audit.jsonl',
      store: 'data/site.sqlite',
      spool: { dir: 'a/b/spool', quotaBytes: 2 ** 30 },
    }
    const findings = await withFields({ ...away, sources: [{ name: 'far', url: 'file://elsewhere/images' }] })
    t.match(named(findings, 'audit'), [{ level: 'fault', next: `mkdir -m 700 -p ${inSite('logs')}` }])
    t.match(named(findings, 'store'), [
      { level: 'fault', next: new RegExp(`mkdir -m 700 -p ${inSite('data')}`) },
    ])
    t.match(named(findings, 'source'), [{ level: 'fault', subject: 'far' }])
    t.ok(findings.some(({ name }) => name === 'quorum'))
    const lost = await guarded('part', () =>
      Promise.reject(Object.assign(new Error('CANARY'), { code: 'EACCES' })),
    )
    t.match(lost, [{ name: 'part', level: 'fault', message: /EACCES/ }])
    t.notMatch(JSON.stringify(lost), 'CANARY')
  },
)

t.test('nothing is changed by a check, stopped or running, and nothing secret is said', async (t) => {
  mkdirSync(inSite('spool'), { recursive: true })
  for (const isRunning of [false, true]) {
    if (isRunning) await made.startSite()
    const before = [snapshot(siteDir), snapshot(dirname(keysFile))]
      .flat()
      .filter((line) => !/^audit|-(wal|shm) /.test(line))
    const findings = [...(await checkSite(siteFile)), ...(await checkKeys(keysFile))]
    const after = [snapshot(siteDir), snapshot(dirname(keysFile))]
      .flat()
      .filter((line) => !/^audit|-(wal|shm) /.test(line))
    t.strictSame(after, before)
    const said = JSON.stringify(findings)
    const pseudonymKey = readFileSync(inSite('pseudonym.key'))
    const secrets = ['signing.key', 'tls.key'].map(
      (file) => readFileSync(inSite(file), 'utf8').split('\n')[1]!,
    )
    for (const secret of [...secrets, pseudonymKey.toString('hex'), pseudonymKey.toString('base64')])
      t.notOk(said.includes(secret))
    for (const { level, next, name } of findings) t.equal(level === 'ok', next === '', name)
  }
})

t.test('an administrator whom no CA of the roster vouches for is named', async (t) => {
  const held = await openRoster(readFileSync(made.site.rosterFile, 'utf8').trim())
  const [admin] = held.body.administrators
  const body = { ...held.body, administrators: [{ ...admin!, issuer: parseDn('CN=Gone CA,O=X') }] }
  const findings = checkRosterContent({ ...held, body }, { config: siteFile, now: new Date() })
  t.match(named(findings, 'administrator'), [
    { level: 'fault', message: /CA that the roster does not name/, next: /mdm-server roster/ },
  ])
  const later = checkRosterContent(held, { config: siteFile, now: new Date('2046-01-01') })
  t.match(named(later, 'user-ca'), [{ level: 'fault', message: /expired/, next: /mdm-server roster/ }])
})
