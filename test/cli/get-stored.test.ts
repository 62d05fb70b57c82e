import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { caller } from '../fixtures/loopback.ts'
import { runMdm, type Run } from '../fixtures/grid.ts'
import { queued, ready, startStorageElement, type StorageElement } from '../fixtures/storage-element.ts'
import { makeStoragePki } from '../fixtures/storage-pki.ts'
import { randomKey, sampleContext, seal } from '../core/crypto/container-samples.ts'

const PLAINTEXT = randomBytes(100_000)
const CONTEXT = sampleContext(PLAINTEXT.length)
const { guid } = CONTEXT
const CONTAINER = await seal(CONTEXT, randomKey(), PLAINTEXT)

/** A storage service, and a user who has a certificate and a folder of CAs, and has accepted no roster. */
async function started(t: Test): Promise<{
  element: StorageElement
  dir: string
  mdm(...args: string[]): Promise<Run>
  files(): Promise<string[]>
}> {
  const pki = await makeStoragePki(t)
  const element = await startStorageElement(t, pki.issue())
  element.files.set(`/mdm/${guid}`, { content: CONTAINER, headers: {} })
  element.files.set('/data/run-7.root', { content: Buffer.from('seven'), headers: {} })
  const home = await mkdtemp(join(tmpdir(), 'mdm-get-stored-'))
  t.teardown(() => rm(home, { recursive: true, force: true }))
  const dir = await mkdtemp(join(home, 'out-'))
  const config = join(home, 'config.json')
  await writeFile(join(home, 'cert.pem'), caller.certificate)
  await writeFile(join(home, 'key.pem'), caller.key, { mode: 0o600 })
  const credential = { certificate: 'cert.pem', key: 'key.pem' }
  await writeFile(config, JSON.stringify({ credential, caDir: pki.dir }), { mode: 0o600 })
  const mdm = (...args: string[]) => runMdm(args, { config, cwd: dir })
  return { element, dir, mdm, files: () => readdir(dir) }
}

t.test('level 1 is a real SRM get, and takes no roster', async (t) => {
  const { element, dir, mdm, files } = await started(t)
  const surl = element.surl(`/mdm/${guid}`)
  const got = await mdm('get', surl, '--level', 'raw', '--timings')
  t.equal(got.code, 0, got.stderr)
  t.strictSame(await files(), [`${guid}.mdm`])
  t.strictSame(await readFile(join(dir, `${guid}.mdm`)), CONTAINER)
  t.match(got.stderr, /SRM: prepare[^]*SRM: transfer/)
  t.strictSame(element.calls, ['srmPrepareToGet', 'srmReleaseFiles'])

  const { code, json } = await mdm('get', surl, '-o', 'x.mdm', '--json')
  const sha256 = createHash('sha256').update(CONTAINER).digest('hex')
  t.equal(code, 0)
  t.match(json.files, [
    { surl, guid, version: 1, path: 'x.mdm', bytes: CONTAINER.length, sha256, resumedFrom: 0 },
  ])
})

t.test('GUIDs come from the configured service, and what waits is waited for', async (t) => {
  const { element, mdm, files } = await started(t)
  const surl = element.surl(`/mdm/${guid}`)
  element.answers.srmPrepareToGet = () => queued(surl, 1)
  element.answers.srmStatusOfGetRequest = () => ready(element, surl)
  t.equal((await mdm('config', 'set', '--srm', element.endpoint)).code, 0)
  const got = await mdm('get', guid, '--level', 'raw', '--timings')
  t.equal(got.code, 0, got.stderr)
  t.match(got.stderr, /SRM: wait until ready +\d/)
  t.strictSame(await files(), [`${guid}.mdm`])
  t.equal((await mdm('get', guid, '--level', 'raw', '--srm', 'srm://127.0.0.1:1', '--retries', '0')).code, 5)
  t.equal((await mdm('config', 'set', '--srm', '')).code, 0)
  t.equal((await mdm('config', 'show', '--json')).json.srm, null)
  t.equal(
    (await mdm('get', guid, '--level', 'raw')).code,
    2,
    'without one the site is asked, and none is known',
  )
})

t.test('files of any service, several of them, and from stdin', async (t) => {
  const { element, dir, mdm, files } = await started(t)
  const [volume, other] = [element.surl(`/mdm/${guid}`), element.surl('/data/run-7.root')]
  const missing = element.surl('/data/none')
  const got = await mdm('get', '--level', 'raw', volume, missing, other, '--json')
  t.equal(got.code, 10)
  t.match(got.json, {
    files: [{ guid }, { surl: other }],
    errors: [{ name: missing, code: 'MDM_NOT_FOUND' }],
  })
  t.strictSame((await files()).sort(), [`${guid}.mdm`, 'run-7.root'].sort())
  t.equal(await readFile(join(dir, 'run-7.root'), 'utf8'), 'seven')

  const config = join(dir, '../config.json')
  const piped = await runMdm(['get', '--level', 'raw', '-o', '-'], { config, cwd: dir, input: `${other}\n` })
  t.strictSame([piped.code, piped.stdout], [0, 'seven'])
})

t.test('exit codes are those of the table', async (t) => {
  const { element, mdm, files } = await started(t)
  const get = async (...more: string[]) =>
    (await mdm('get', element.surl(`/mdm/${guid}`), '--level', 'raw', '--retries', '0', ...more)).code
  element.answers.srmPrepareToGet = () => 'SRM_AUTHORIZATION_FAILURE'
  t.equal(await get(), 4)
  element.answers.srmPrepareToGet = () => queued(element.surl(`/mdm/${guid}`), 15)
  element.answers.srmStatusOfGetRequest = () => queued(element.surl(`/mdm/${guid}`), 15)
  t.equal(await get('--wait', '1'), 5)
  t.equal(await get('--ca-dir', '/nonexistent'), 7)
  t.strictSame(await files(), [])
})
