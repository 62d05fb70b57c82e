import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { saveStored, writeStored } from '@mdm/core/access/save-stored'
import { openStorage, type Storage } from '@mdm/core/access/storage'
import { adler32 as adler32Of } from '@mdm/core/crypto/adler32'
import { parseContainerHeader } from '@mdm/core/crypto/container/reader'
import { parseSurl, volumeAt, type StorageFile } from '@mdm/core/grid/srm/srm-url'
import { newGuid, type Version } from '@mdm/core/names'
import { Timing } from '@mdm/core/timing'
import { caller } from '../../fixtures/loopback.ts'
import { startStorageElement, type StorageElement } from '../../fixtures/storage-element.ts'
import { makeStoragePki } from '../../fixtures/storage-pki.ts'
import { randomKey, sampleContext, seal } from '../crypto/container-samples.ts'

const PLAINTEXT = randomBytes(300_000)
const CONTEXT = sampleContext(PLAINTEXT.length)
const KEY = randomKey()
const CONTAINER = await seal(CONTEXT, KEY, PLAINTEXT)
const ETAG = `"${parseContainerHeader(CONTAINER)!.etag}"`
const PATH = `/mdm/${CONTEXT.guid}`

interface Started {
  element: StorageElement
  storage: Storage
  dir: string
  path: string
  file: StorageFile
  named(path: string): StorageFile
  left(): Promise<string[]>
}

async function started(t: Test): Promise<Started> {
  const pki = await makeStoragePki(t)
  const element = await startStorageElement(t, pki.issue())
  const dir = await mkdtemp(join(tmpdir(), 'mdm-stored-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const [certificate, key] = [join(dir, '.cert.pem'), join(dir, '.key.pem')]
  await writeFile(certificate, caller.certificate)
  await writeFile(key, caller.key, { mode: 0o600 })
  const credential = { certificate, key }
  const storage = await openStorage({ file: join(dir, 'none'), credential, sites: {}, caDir: pki.dir })
  t.teardown(() => storage.close())
  element.files.set(PATH, { content: CONTAINER, headers: { etag: ETAG } })
  return {
    ...{ element, storage, dir, path: join(dir, 'x.mdm') },
    file: parseSurl(element.surl(PATH)),
    named: (path) => parseSurl(element.surl(path)),
    left: async () => (await readdir(dir)).filter((name) => !/^\.(cert|key)/.test(name)),
  }
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

t.test('a container is kept whole, let go at its service, and without a roster', async (t) => {
  const { element, storage, path, file, left } = await started(t)
  const timing = new Timing()
  const progress: number[] = []
  const onProgress = (done: number, total: number) => void progress.push(done / total)
  const saved = await saveStored(storage, file, { path, timing, onProgress })
  t.strictSame(saved, {
    ...{ surl: file.surl, guid: CONTEXT.guid, version: 1, path },
    ...{ bytes: CONTAINER.length, sha256: sha256(CONTAINER), resumedFrom: 0 },
  })
  t.strictSame(await readFile(path), CONTAINER)
  t.strictSame(await left(), ['x.mdm'])
  t.strictSame(element.calls, ['srmPrepareToGet', 'srmReleaseFiles'])
  t.strictSame(
    timing.rows.map((row) => row.name),
    ['srm-prepare', 'srm-transfer'],
  )
  t.equal(progress.at(-1), 1)
})

t.test('a volume is asked of a service by its GUID, and of one version', async (t) => {
  const { element, storage, path, file } = await started(t)
  const { endpoint } = file
  element.files.set(`${PATH}@1`, { content: CONTAINER, headers: {} })
  element.files.set(`${PATH}@2`, { content: CONTAINER, headers: {} })
  t.match(await saveStored(storage, volumeAt(endpoint, CONTEXT.guid, 1 as Version), { path }), { version: 1 })
  const other = saveStored(storage, volumeAt(endpoint, CONTEXT.guid, 2 as Version), { path: `${path}2` })
  await t.rejects(other, { code: 'MDM_INTEGRITY' })
})

t.test('a transfer that is cut goes on behind its last whole frame', async (t) => {
  const { element, storage, path, file } = await started(t)
  const stored = element.files.get(PATH)!
  stored.cutAfter = 150_000
  await t.rejects(saveStored(storage, file, { path }), { code: 'MDM_UNREACHABLE' })
  t.equal(element.calls.at(-1), 'srmReleaseFiles', 'and lets go meanwhile')
  delete stored.cutAfter
  const saved = await saveStored(storage, file, { path })
  t.match(element.transfers.at(-1), /bytes=1[0-9]{5}-$/)
  t.ok(saved.resumedFrom > 100_000, `resumed from ${saved.resumedFrom}`)
  t.equal(saved.sha256, sha256(CONTAINER))
})

t.test('attempts of one command go on by the tag that the server itself has for the file', async (t) => {
  const { element, storage, path, file } = await started(t)
  const stored = { content: CONTAINER, headers: { etag: '"inode-7"' }, cutAfter: 150_000 }
  element.files.set(PATH, stored)
  const onRetry = () => void (stored.cutAfter = Infinity)
  const saved = await saveStored(storage, file, { path, retries: 1, onRetry })
  t.equal(saved.sha256, sha256(CONTAINER))
  t.match(element.transfers, [/^GET \S+$/, /bytes=[1-9]/])
  t.equal(element.calls.filter((name) => name === 'srmPrepareToGet').length, 2)
})

t.test('what was encrypted anew meanwhile begins anew', async (t) => {
  const { element, storage, path, file } = await started(t)
  const stored = element.files.get(PATH)!
  stored.cutAfter = 150_000
  await t.rejects(saveStored(storage, file, { path }), { code: 'MDM_UNREACHABLE' })
  const content = await seal(CONTEXT, KEY, PLAINTEXT)
  element.files.set(PATH, { content, headers: { etag: `"${parseContainerHeader(content)!.etag}"` } })
  const saved = await saveStored(storage, file, { path })
  t.match(saved, { sha256: sha256(content), resumedFrom: 0 })
})

t.test('nobody may answer a GUID with another volume, or with something else', async (t) => {
  const { element, storage, path, named, left } = await started(t)
  const another = newGuid()
  element.files.set(`/mdm/${another}`, { content: CONTAINER, headers: {} })
  await t.rejects(saveStored(storage, named(`/mdm/${another}`), { path }), {
    code: 'MDM_INTEGRITY',
    exitCode: 7,
  })
  element.files.set(`/copies/${another}.mdm`, { content: CONTAINER, headers: {} })
  await t.rejects(saveStored(storage, named(`/copies/${another}.mdm`), { path }), { code: 'MDM_INTEGRITY' })
  element.files.set(PATH, { content: randomBytes(5_000), headers: {} })
  await t.rejects(saveStored(storage, named(PATH), { path }), { code: 'MDM_INTEGRITY' })
  const out = writeStored(storage, named(PATH), new PassThrough().resume(), {})
  await t.rejects(out, { code: 'MDM_INTEGRITY' })
  element.files.set(PATH, { content: CONTAINER.subarray(0, 200_000), headers: {} })
  await t.rejects(
    saveStored(storage, named(PATH), { path }),
    { code: 'MDM_CONTAINER', exitCode: 7 },
    'cut short',
  )
  t.strictSame(await left(), [], 'and nothing is left of it')
  t.equal(element.calls.at(-1), 'srmReleaseFiles')
})

t.test('a file of any kind is fetched, and its checksum compared where the service says one', async (t) => {
  const { element, storage, path, named, left } = await started(t)
  const content = randomBytes(200_000)
  const adler32 = adler32Of(content).toString(16).padStart(8, '0')
  const sha = createHash('sha256').update(content).digest('base64')
  const file = named('/data/run-7.root')
  const fetched = async (headers: Record<string, string>) => {
    element.files.set('/data/run-7.root', { content, headers })
    return await saveStored(storage, file, { path })
  }
  t.strictSame(await fetched({}), {
    ...{ surl: file.surl, path, bytes: content.length, sha256: sha256(content), resumedFrom: 0 },
  })
  t.strictSame(await readFile(path), content)
  t.match(await fetched({ digest: `adler32=${adler32},sha-256=${sha}` }), { bytes: content.length })
  await rm(path)
  await t.rejects(fetched({ digest: 'adler32=00000001' }), { code: 'MDM_INTEGRITY' })
  await t.rejects(fetched({ digest: `sha-256=${'A'.repeat(43)}=` }), { code: 'MDM_INTEGRITY' })
  const said = (checkSumValue: string) => {
    const detail = { path: '/data/run-7.root', size: content.length, checkSumType: 'ADLER32', checkSumValue }
    element.answers.srmLs = () => ({ returnStatus: { statusCode: 'SRM_SUCCESS' }, details: [detail] })
  }
  said('00000001')
  await t.rejects(fetched({}), { code: 'MDM_INTEGRITY' }, 'as srmLs has it where the transfer does not')
  t.strictSame(await left(), [])
  said(adler32)
  t.match(await fetched({}), { bytes: content.length })
})

t.test('a file that is cut begins anew, and leaves nothing when it is given up', async (t) => {
  const { element, storage, path, named, left } = await started(t)
  const stored = { content: randomBytes(200_000), headers: {}, cutAfter: 50_000 }
  element.files.set('/data/f', stored)
  await t.rejects(saveStored(storage, named('/data/f'), { path }), { code: 'MDM_UNREACHABLE' })
  t.strictSame(await left(), [])
  const onRetry = () => void (stored.cutAfter = Infinity)
  t.match(await saveStored(storage, named('/data/f'), { path, retries: 1, onRetry }), { bytes: 200_000 })
})

t.test('the .part of a container is not given up for a file of another kind', async (t) => {
  const { element, storage, path, file, named } = await started(t)
  element.files.get(PATH)!.cutAfter = 150_000
  await t.rejects(saveStored(storage, file, { path }), { code: 'MDM_UNREACHABLE' })
  element.files.set('/data/f', { content: randomBytes(100), headers: {} })
  await t.rejects(saveStored(storage, named('/data/f'), { path }), { code: 'MDM_CONFLICT', exitCode: 11 })
  t.ok((await readFile(`${path}.part`)).length > 100_000)
})

t.test('a stream gets what comes, and an error where it is not whole', async (t) => {
  const { element, storage, file, named } = await started(t)
  const streamed = async (stored: StorageFile) => {
    const out = new PassThrough()
    const [saved, bytes] = await Promise.all([
      writeStored(storage, stored, out, {}).finally(() => out.end()),
      buffer(out),
    ])
    return { saved, bytes }
  }
  const { saved, bytes } = await streamed(file)
  t.strictSame(bytes, CONTAINER)
  t.match(saved, { guid: CONTEXT.guid, path: '-', sha256: sha256(CONTAINER) })
  element.files.set('/data/f', { content: randomBytes(100), headers: {} })
  t.equal((await streamed(named('/data/f'))).bytes.length, 100)
  element.files.get(PATH)!.cutAfter = 150_000
  await t.rejects(streamed(file), { code: 'MDM_UNREACHABLE' })
})

t.test('an interrupted get lets go of the file, and keeps what it has', async (t) => {
  const { element, storage, path, file, left } = await started(t)
  element.files.get(PATH)!.stallAfter = 150_000
  const stop = new AbortController()
  const onProgress = (done: number) => done > 100_000 && stop.abort(new Error('stopped'))
  await t.rejects(saveStored(storage, file, { path, signal: stop.signal, onProgress }), {
    message: 'stopped',
  })
  t.equal(element.calls.at(-1), 'srmReleaseFiles')
  t.strictSame(await left(), ['x.mdm.part'])
})

t.test('no certificate, no storage', async (t) => {
  await t.rejects(openStorage({ file: 'none', sites: {} }), { code: 'MDM_CONFIG' })
})
