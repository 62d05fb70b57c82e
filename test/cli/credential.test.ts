import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { grant } from '@mdm/core/access/acl'
import { volumeRow } from '@mdm/core/access/metadata'
import type { LimitedOperation } from '@mdm/core/identity/limits'
import { describeCredential } from '@mdm/core/identity/proxy/describe'
import { newGuid, parseVolumeName } from '@mdm/core/names'
import {
  delegatedVolumes,
  namedGuids,
  type DelegatedVolumes,
} from '../../packages/cli/src/delegated-volumes.ts'
import { startCapabilityGrid } from '../fixtures/capability-grid.ts'
import { runMdm, type Run } from '../fixtures/grid.ts'
import type { User } from '../server/site-grid.ts'

const grid = await startCapabilityGrid(t, ['physician'])
const { named, other, apart } = grid.volumes
const BOTH: readonly LimitedOperation[] = ['read-file', 'read-key']
const dir = t.testdir()
const at = (name: string) => join(dir, name)
const config = grid.provisioned.users.physician!.config
const mdm = (args: readonly string[], input = ''): Promise<Run> =>
  runMdm([...args], { config, input, cwd: dir })
const delegate = (args: readonly string[], input = '') =>
  mdm(['credential', 'delegate', ...args, '--json'], input)
const read = (name: string) => describeCredential(readFileSync(at(name), 'utf8'))
/** Files of the folder that nobody asked for. */
const left = () => readdirSync(dir).filter((name) => name.endsWith('.part') || name.endsWith('.tmp'))

t.test('a capability gets and opens its volume, and no other', async (t) => {
  const made = await delegate(['--guid', named, '--hours', '2', '-o', at('job.cred')])
  t.equal(made.code, 0, made.stderr)
  t.match(made.json, { path: at('job.cred'), guids: [named], operations: ['read-file', 'read-key'] })
  t.match(made.json, { lacking: [], holdsKey: true })
  t.equal(statSync(at('job.cred')).mode & 0o777, 0o600)
  const shown = await mdm(['credential', 'show', at('job.cred'), '--json'])
  t.match(shown.json, {
    ...{ kind: 'capability', guids: [named], operations: ['read-file', 'read-key'], holdsKey: true },
    ...{ owner: 'CN=physician, O=mdm demo', holder: made.json.holder, serial: made.json.serial },
  })
  const cert = ['--cert', at('job.cred')]
  const [mine, job, refused] = await Promise.all([
    mdm(['get', named, '-o', at('mine.nrrd'), '--json']),
    mdm(['get', named, ...cert, '-o', at('job.nrrd'), '--json']),
    mdm(['get', other, ...cert, '-o', at('other.nrrd'), '--json']),
  ])
  t.equal(job.code, 0, job.stderr)
  t.equal(job.json.files[0].sha256, mine.json.files[0].sha256, 'the right voxels')
  t.equal(refused.code, 3)
  t.notOk(existsSync(at('other.nrrd')))
  const set = await mdm(['get', grid.set, ...cert, '-o', at('set.nrrd'), '--json'])
  t.equal(set.code, 3, 'a set of which it names one volume does not exist')
  const ls = await mdm(['ls', ...cert, '--format', 'guids'])
  t.equal(ls.stdout, `${named}\n`)
  const records = readFileSync(join(grid.provisioned.site.dir, 'audit.jsonl'), 'utf8').split('\n')
  const got = records.filter((line) => line.includes('"volume.get"') && line.includes(made.json.holder))
  t.equal(got.length, 1, 'the audit log tells this job from the others')
  t.equal(JSON.parse(got[0]!).caller.proxy, 'restricted')
})

/** What `mdm credential delegate` makes of names, for whoever asks. */
async function meant(user: User, names: readonly string[], operations = BOTH): Promise<DelegatedVolumes> {
  const typed = names.map((text) => ({ text, name: parseVolumeName(text) }))
  return await delegatedVolumes(await grid.as(user), typed, operations, AbortSignal.timeout(60_000))
}

t.test('a set stands for its volumes, which are got by their own GUIDs', async (t) => {
  t.strictSame((await meant('physician', [grid.set])).guids.toSorted(), [named, other].toSorted())
  const made = await delegate(['--guid', grid.set, '-', '-o', at('set.cred')], `${apart} # one more\n`)
  t.strictSame([...made.json.guids].toSorted(), [named, other, apart].toSorted())
  const set = await mdm(['get', grid.set, '--cert', at('set.cred'), '-o', at('set.nrrd'), '--json'])
  t.equal(set.json.error.code, 'MDM_DENIED', 'its header would be metadata')
  t.match(set.json.error.message, /by their own GUIDs/)
})

t.test('names are GUIDs, LFNs and SURLs, and each volume is named once', async (t) => {
  const { lfn, surl } = await volumeRow(grid.admin, { guid: apart })
  t.strictSame(await meant('physician', [apart, lfn, surl, named]), { guids: [apart, named], lacking: [] })
  const refused = async (names: string[], code: string) =>
    t.rejects(meant('physician', names), { code }, names[0]!.slice(0, 40))
  await refused([`${named}@1`], 'MDM_USAGE')
  await refused([`instance:${newGuid()}`], 'MDM_USAGE')
  await refused(['/demo/folder/CT/999999'], 'MDM_NOT_FOUND')
  const typed = (names: string[]) => names.map((text) => ({ text, name: parseVolumeName(text) }))
  t.strictSame(namedGuids(typed([named, apart, named])), [named, apart])
  for (const names of [[lfn], Array.from({ length: 501 }, () => newGuid())])
    t.throws(() => namedGuids(typed(names)), { code: 'MDM_USAGE' }, 'without a site')
})

t.test('what the owner may not do himself is said', async (t) => {
  const invented = newGuid()
  const { guids, lacking } = await meant('stranger', [named, invented])
  t.strictSame(guids, [named, invented], 'and delegated all the same')
  const [real, none] = lacking
  t.equal(real!.replace(named, 'GUID'), none!.replace(invented, 'GUID'), 'he hears what he hears of none')
  const { dn, issuer } = (await grid.as('backup')).credential.identity
  await grant(grid.admin, named, { to: { kind: 'user', dn, issuer }, preset: 'replicate' })
  t.match((await meant('backup', [named])).lacking, [/no right to read-key yourself/])
  t.strictSame((await meant('backup', [named], ['read-file'])).lacking, [])
})

t.test('for a key made on the node the file holds no secret', async (t) => {
  const key = await runMdm(['credential', 'key', '-o', at('job.key')])
  t.equal(key.code, 0, key.stderr)
  t.equal(statSync(at('job.key')).mode & 0o777, 0o600)
  writeFileSync(at('job.pub'), key.stdout)
  const again = await runMdm(['credential', 'key', '-o', at('job.key'), '--json'])
  t.equal(again.json.error.code, 'MDM_CONFLICT', 'a key is never overwritten')
  const args = ['--guid', named, '--holder', at('job.pub'), '-o', at('held.cred')]
  const made = await delegate(args)
  t.match(made.json, { holdsKey: false })
  t.notMatch(readFileSync(at('held.cred'), 'utf8'), /PRIVATE/)
  const get = (more: string[]) =>
    mdm(['get', named, '--cert', at('held.cred'), ...more, '-o', at('held.nrrd'), '--json'])
  t.equal((await get([])).json.error.code, 'MDM_CONFIG', 'the file alone')
  t.equal((await get(['--key', at('job.key')])).code, 0)
  const secret = await delegate(['--guid', named, '--holder', at('job.key'), '-o', at('x.cred')])
  t.equal(secret.json.error.code, 'MDM_USAGE', 'a private key is not handed on')
})

t.test('a proxy has all the rights of its owner but what takes his own key', async (t) => {
  const made = await mdm(['credential', 'proxy', '--hours', '1', '-o', at('proxy.pem'), '--json'])
  t.equal(made.code, 0, made.stderr)
  t.match(read('proxy.pem'), { kind: 'proxy', holdsKey: true })
  const got = await mdm(['get', apart, '--cert', at('proxy.pem'), '-o', at('proxy.nrrd'), '--json'])
  t.equal(got.code, 0, got.stderr)
  const piped = await mdm(['credential', 'proxy', '--limited', '--hours', '11', '-o', '-'])
  writeFileSync(at('limited.pem'), piped.stdout, { mode: 0o600 })
  t.match(read('limited.pem'), { kind: 'limited proxy' })
  const below = await delegate(['--guid', apart, '--cert', at('limited.pem'), '-o', at('below.cred')])
  t.equal(below.code, 0, 'a proxy makes capabilities')
  t.match(below.stderr, /note: it ends before the 12 hours/)
  const files = ['--operations', 'read-file', '--cert', at('proxy.pem'), '-o', at('file.cred')]
  await delegate(['--guid', apart, '--offline', ...files])
  const closed = await mdm(['get', apart, '--cert', at('file.cred'), '-o', at('no.nrrd'), '--json'])
  t.equal(closed.json.error.code, 'MDM_DENIED')
  t.match(closed.json.error.message, /this capability is for the file alone/)
  for (const command of [
    ['credential', 'proxy'],
    ['credential', 'delegate', '--guid', apart, '--offline'],
  ]) {
    const run = await mdm([...command, '--cert', at('below.cred'), '-o', at('x.cred'), '--json'])
    t.equal(run.json.error.code, 'MDM_CONFIG', 'a capability makes nothing')
  }
})

t.test('what cannot be a capability is refused, and no file is left', async (t) => {
  const refused = async (args: string[], code: string) => {
    const run = await delegate([...args, '-o', at('bad.cred')])
    t.equal(run.json?.error?.code, code, args.join(' '))
  }
  await refused(['--guid', named, '--hours', '25'], 'MDM_USAGE')
  await refused(['--guid', named, '--operations', 'write'], 'MDM_USAGE')
  t.notOk(existsSync(at('bad.cred')))
  const own = grid.provisioned.users.physician!.config.replace('config.json', 'physician.pem')
  const over = await delegate(['--guid', named, '--offline', '-o', own])
  t.equal(over.json.error.code, 'MDM_CONFLICT', 'his own certificate is not overwritten')
  if (spawnSync('mkfifo', [at('pipe')]).status === 0) {
    const piped = await delegate(['--guid', named, '--offline', '-o', at('pipe')])
    t.equal(piped.json.error.code, 'MDM_CONFLICT', 'nor is a pipe, which nobody writes to, waited for')
  } else t.comment('skipped: no mkfifo here')
  const nothing = await mdm(['credential', 'show', at('mine.nrrd'), '--json'])
  t.equal(nothing.json.error.code, 'MDM_USAGE')
  t.strictSame(left(), [])
})
