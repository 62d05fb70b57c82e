import { spawnSync } from 'node:child_process'
import {
  appendFile,
  chmod,
  copyFile,
  readdir,
  readFile,
  rename,
  rm,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { join, resolve } from 'node:path'
import t from 'tap'
import { openVolume } from '../../../packages/core/src/access/decrypt.ts'
import { list } from '../../../packages/core/src/access/metadata.ts'
import { fsckSite } from '../../../packages/server/src/commands/fsck.ts'
import { checkSite } from '../../../packages/server/src/fsck/site.ts'
import { changeSite, changeStore, siteRows } from '../register/invariants.ts'
import { registerAll, startSiteGrid } from '../site-grid.ts'

const SERVER = resolve(import.meta.dirname, '../../../packages/server/bin/run.js')

const grid = await startSiteGrid(t, { series: [{}, {}] })
const { config, dir } = grid.provisioned.site
const admin = await grid.as('admin')
await registerAll(admin)
const guids: string[] = []
for await (const { guid } of list(admin)) {
  guids.push(guid)
  const volume = await openVolume(admin, { guid })
  for await (const _ of volume.stream());
  await volume.close()
}
const [guid] = guids as [string]
const spool = join(dir, 'spool')

const found = async (o = { offline: true }) =>
  (await checkSite(config, o)).findings.map(({ name, subject }) => `${name}: ${subject}`)

t.test('a site that runs and is in order has no findings, and says what was looked at', async (t) => {
  const { findings, looked } = await checkSite(config)
  t.strictSame(findings, [])
  t.match(looked, { volumes: 2, versions: 2, changes: 2, 'access lists': 14, keys: 3, 'spool files': 2 })
  t.ok(looked['audit records']! > 2)
})

/** What is changed in the database, and what is found then. */
const CHANGES: Record<string, { wrong: string; finds: string[] }> = {
  'a registration that has not ended': {
    wrong: `update journal set state = 'WAITING', code = 'MDM_WAITING'`,
    finds: ['registration-open: 2 WAITING (MDM_WAITING)'],
  },
  'an attempt that is left': {
    wrong: `insert into attempts values ('${'ab'.repeat(16)}', '${guid}', 'x', 'now')`,
    finds: [`shares-left: ${guid} kid ${'ab'.repeat(16)}`],
  },
  'an event that waits': {
    wrong: `insert into outbox values ('e', 1, '{}')`,
    finds: ['events-waiting: 1 events'],
  },
  'a journal that knows a volume nobody has': {
    wrong: `insert into journal (volume_key, series_key, source, study, series, state, caller, created, updated)
            select 'other', series_key, source, study, series, state, caller, created, updated from journal limit 1`,
    finds: ['registration-lost: 1 entries'],
  },
  'a volume that went without a word': {
    wrong: `update volumes set gone_since = '2008-01-01T00:00:00.000Z' where guid = '${guid}'`,
    finds: [`change-missing: ${guid}`],
  },
  'a version that was not announced': {
    wrong: `update changes set change = 'returned' where guid = '${guid}'`,
    finds: [`change-missing: ${guid}@1`],
  },
  'a list that says more than its statements': {
    wrong: `update access_lists set state = replace(state, '"read"', '"write"') where scope = '${guid}' and object = 'file'`,
    finds: [`list-altered: ${guid} file`],
  },
  'a length that does not add up': {
    wrong: `update versions set container_bytes = container_bytes + 1 where guid = '${guid}'`,
    finds: [`version-altered: ${guid}@1`],
  },
  'rows that are gone': {
    wrong: `delete from slices where guid = '${guid}' and slice_index = 3;
            delete from medical where guid = '${guid}';
            delete from replicas where guid = '${guid}';
            delete from access_lists where scope = '${guid}' and object = 'key'`,
    finds: [
      `replica-missing: ${guid}`,
      `slices-missing: ${guid}@1`,
      `table-row-missing: ${guid}@1 medical`,
      `list-missing: ${guid} key`,
      'orphan-rows: 1 of statements',
    ],
  },
}

t.test('what is wrong in the database is named, with the thing', async (t) => {
  const copy = await storeOf()
  for (const [what, { wrong, finds }] of Object.entries(CHANGES)) {
    changeSite(grid, wrong)
    t.strictSame(await found(), finds, what)
    await copy.restore()
  }
  const manifest = siteRows(grid, `select jws from manifests where guid = '${guid}'`)[0]!.jws as string
  const other = siteRows(grid, `select jws from manifests where guid <> '${guid}'`)[0]!.jws as string
  changeSite(grid, `update manifests set jws = '${other}' where jws = '${manifest}'`)
  t.match(await found(), [`manifest-unverified: ${guid}@1`, /^spool-unknown-volume/], 'another manifest')
  changeSite(grid, `delete from manifests where guid = '${guid}'`)
  t.match(await found(), [`manifest-missing: ${guid}@1`, /^spool-unknown-volume/], 'no manifest')
  await copy.restore()
  changeSite(grid, `update statements set jws = '${other}' where scope = '${guid}' and object = 'file'`)
  t.strictSame(await found(), [`list-unverified: ${guid} file`], 'a statement that is none')
  await copy.restore()
  changeSite(grid, `update volumes set latest = 2 where guid = '${guid}'`)
  t.strictSame(await found(), [`version-missing: ${guid}@2`], 'a version that is not there')
  await copy.restore()
  changeSite(
    grid,
    `delete from journal where volume_key = (select volume_key from volumes where guid = '${guid}')`,
  )
  t.strictSame(await found(), [`registration-unwritten: ${guid}`])
  changeSite(grid, `delete from volumes where guid = '${guid}'`)
  const orphans = (await found()).filter((text) => text.startsWith('orphan-rows'))
  t.equal(orphans.length, 3 + 7, 'its versions, replicas, changes and seven lists')
  await copy.restore()
  t.strictSame(await found(), [])
})

t.test('what is wrong in the spool is named', async (t) => {
  const [first, second] = (await readdir(spool)) as [string, string]
  const whole = await readFile(join(spool, first))
  await truncate(join(spool, first), 100)
  await chmod(join(spool, second), 0o640)
  await writeFile(join(spool, `${'a'.repeat(43)}.filling`), 'x', { mode: 0o600 })
  await writeFile(join(spool, 'notes.txt'), 'x', { mode: 0o600 })
  t.strictSame((await found()).toSorted(), [
    `file-mode: spool file ${second.slice(0, 12)}`,
    `spool-damaged: ${first.slice(0, 12)}`,
    'spool-foreign: a file',
    `spool-unfinished: ${'a'.repeat(12)}`,
  ])
  await writeFile(join(spool, first), whole)
  await chmod(join(spool, second), 0o600)
  await rm(join(spool, `${'a'.repeat(43)}.filling`))
  await rm(join(spool, 'notes.txt'))
  t.strictSame(await found(), [])
})

t.test('what is wrong in the audit log is named, with the line', async (t) => {
  const log = join(dir, 'audit.jsonl')
  await copyFile(log, `${log}.kept`)
  await appendFile(log, '{"seq":')
  t.match(await found(), [/^audit-torn: line [0-9]+$/])
  const lines = (await readFile(`${log}.kept`, 'utf8')).split('\n')
  await writeFile(log, lines.toSpliced(2, 1).join('\n'))
  t.strictSame(await found(), ['audit-broken: line 3'])
  await rm(log)
  t.strictSame(await found(), ['audit-missing: the log'])
  await rename(`${log}.kept`, log)
  await chmod(log, 0o644)
  t.strictSame(await found(), ['file-mode: the audit log'])
  await chmod(log, 0o600)
})

t.test(
  'shares that key servers lack are told: fewer than n, fewer than m, silent and wrong ones',
  async (t) => {
    const asked = () => found({ offline: false })
    const lose = (i: number) =>
      changeStore(grid.provisioned.keyServers[i]!.config, `delete from share where guid = '${guid}'`)
    lose(0)
    t.strictSame(await asked(), [`shares-incomplete: ${guid}@1 2 of 3`])
    lose(1)
    t.strictSame(await asked(), [`shares-too-few: ${guid}@1 1 of 3`])
    await grid.stopKeyServer(2)
    t.match(await asked(), [/^key-server-silent: [0-9a-f]{12}$/, `shares-too-few: ${guid}@1 0 of 3`])
  },
)

t.test(
  'the command prints findings with the next step and exits 10, and 0 where there are none',
  async (t) => {
    t.equal(fsckSite.words, 'fsck site')
    const run = (...args: string[]) =>
      spawnSync(process.execPath, [SERVER, 'fsck', 'site', '--config', config, ...args], { encoding: 'utf8' })
    const good = run('--offline')
    t.equal(good.status, 0)
    t.match(good.stdout, /^looked at 2 volumes, .* 0 faults, 0 warnings\n$/)
    await writeFile(join(spool, 'notes.txt'), 'x', { mode: 0o600 })
    const bad = run('--offline', '--json')
    t.equal(bad.status, 10)
    t.match(JSON.parse(bad.stdout), {
      findings: [{ name: 'spool-foreign', level: 'warn', subject: 'a file', next: 'find out whose it is' }],
      looked: { volumes: 2 },
    })
    t.match(
      run('--offline').stdout,
      /^warn +spool-foreign +a file: .+\n +next: find out whose it is\nlooked at/,
    )
    await rm(join(spool, 'notes.txt'))
  },
)

/** The database as it is now, to be put back: nothing may be kept of what a test planted. */
async function storeOf() {
  await grid.stopSite()
  const files = (await readdir(dir)).filter((name) => /^site\.sqlite(-wal|-shm)?$/.test(name))
  for (const name of files) await copyFile(join(dir, name), join(grid.dir, name))
  return {
    async restore() {
      for (const name of ['site.sqlite-wal', 'site.sqlite-shm']) await rm(join(dir, name), { force: true })
      for (const name of files) await copyFile(join(grid.dir, name), join(dir, name))
    },
  }
}
