import { writeSeries } from '@mdm/server/dicom/dcmjs/write-series'
import { folderSource } from '@mdm/server/dicom/sources/folder'
import { openSource } from '@mdm/server/dicom/sources/index'
import { SourceConfig } from '@mdm/server/dicom/source-config'
import type { DicomSource, SeriesRef } from '@mdm/server/dicom/source'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { dicomSourceContract } from '../../conformance/dicom-source.ts'
import { small } from '../volume/generated.ts'
import { wantedOf } from '../../fixtures/wanted.ts'

dicomSourceContract('folder', async (_, folder) => folderSource('folder', folder))

const openUrl = (url: string) => openSource(SourceConfig.parse({ name: 'folder', url }))
const open = (dir: string): DicomSource => folderSource('folder', dir)

async function retrieved(source: DicomSource, ref: SeriesRef, sops: readonly string[]): Promise<string[]> {
  const found: string[] = []
  for await (const { header } of source.retrieve(ref, wantedOf(sops))) found.push(header.sop)
  return found
}

t.test('objects come in order of path, not of position or InstanceNumber', async (t) => {
  const dir = t.testdir()
  const order = [4, 0, 5, 1, 3, 2]
  const written = await writeSeries(dir, small({ fileName: (k) => `${order.indexOf(k)}.dcm` }))
  t.same(
    await retrieved(await openUrl(pathToFileURL(dir).href), written, written.sops),
    order.map((k) => written.sops[k]),
  )
})

t.test('what is not DICOM is passed over; a damaged object is counted', async (t) => {
  const dir = t.testdir({ 'notes.txt': 'hello', empty: '', 'image.png': Buffer.alloc(5000, 7) })
  const written = await writeSeries(dir, small())
  writeFileSync(
    join(dir, 'cut'),
    Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), Buffer.from([2, 0, 0])]),
  )
  const source = open(dir)
  t.equal((await source.series()).length, 1)
  t.same(source.faults(), [{ code: 'MDM_DICOM', objects: 1 }])
  t.equal((await retrieved(source, written, written.sops)).length, 6)
})

t.test('links are not followed: not to files, not to folders, not out of the root', async (t) => {
  const dir = t.testdir({ inside: {}, outside: {} })
  const outside = await writeSeries(join(dir, 'outside'), small({ seed: 'outside' }))
  const inside = await writeSeries(join(dir, 'inside'), small({ seed: 'inside' }))
  symlinkSync(outside.files[0]!, join(dir, 'inside', 'file'))
  symlinkSync(join(dir, 'outside'), join(dir, 'inside', 'folder'))
  symlinkSync('/', join(dir, 'inside', 'root'))
  const source = open(join(dir, 'inside'))
  t.match(await source.series(), [{ study: inside.study, series: inside.series }])
  t.equal((await source.series()).length, 1)
})

t.test('a file that becomes a link after it was seen is not opened', async (t) => {
  const dir = t.testdir({ inside: { sub: {} }, outside: {} })
  const outside = await writeSeries(join(dir, 'outside'), small())
  const inside = await writeSeries(join(dir, 'inside', 'sub'), small())
  const source = open(join(dir, 'inside'))
  await source.series()
  rmSync(inside.files[0]!)
  symlinkSync(outside.files[0]!, inside.files[0]!)
  t.equal((await retrieved(source, inside, inside.sops)).length, 5, 'the file is a link now')
  rmSync(join(dir, 'inside', 'sub'), { recursive: true })
  symlinkSync(join(dir, 'outside'), join(dir, 'inside', 'sub'))
  await t.rejects(
    retrieved(source, inside, inside.sops),
    { code: 'MDM_NOT_FOUND' },
    'the folder is a link now',
  )
})

t.test('pipes and sockets are not opened', async (t) => {
  const dir = t.testdir()
  const written = await writeSeries(dir, small())
  execFileSync('mkfifo', [join(dir, 'pipe')])
  const source = open(dir)
  t.equal((await source.series()).length, 1)
  t.equal((await retrieved(source, written, written.sops)).length, 6)
})

t.test('a new, a changed and a moved file are seen', async (t) => {
  const dir = t.testdir({ later: {} })
  const written = await writeSeries(dir, small())
  const source = open(dir)
  t.equal((await source.series()).length, 1)
  await writeSeries(dir, small({ modality: 'MR', fileName: (k) => `new${k}` }))
  t.equal((await source.series()).length, 2)
  const changed = await writeSeries(
    dir,
    small({ seed: 'changed', slices: 1, fileName: () => basename(written.files[0]!) }),
  )
  t.same(await retrieved(source, changed, changed.sops), changed.sops)
  renameSync(written.files[1]!, join(dir, 'later', 'moved'))
  t.equal(
    (await retrieved(source, written, written.sops)).length,
    5,
    'found at its new place, once looked for',
  )
})

t.test('a file that changes while headers are read is not left out without a word', async (t) => {
  const dir = t.testdir()
  const written = await writeSeries(dir, small())
  const source = open(dir)
  await source.series()
  rmSync(written.files[3]!)
  const read = async () => {
    for await (const _ of source.headers(written)) continue
  }
  await t.rejects(read(), { code: 'MDM_SOURCE_UNREACHABLE' })
  await source.series()
  await t.resolves(read())
})

t.test('a cut object says which series it belongs to, and is never retrieved', async (t) => {
  const dir = t.testdir()
  const written = await writeSeries(dir, small({ slices: 1 }))
  truncateSync(written.files[0]!, 1100)
  const source = open(dir)
  const [ref] = await source.series()
  const headers = []
  for await (const header of source.headers(ref!)) headers.push(header.fault)
  t.same(headers, ['MDM_DICOM'])
  t.same(await retrieved(source, ref!, written.sops), [])
})

t.test('a folder that is not there is MDM_SOURCE_UNREACHABLE', async (t) => {
  await t.rejects(open(join(t.testdir(), 'nowhere')).series(), { code: 'MDM_SOURCE_UNREACHABLE' })
})

t.test('what may not be read is counted, or makes the source unreachable', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'mdm-unreadable-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  const written = await writeSeries(dir, small())
  const source = open(dir)
  chmodSync(written.files[0]!, 0)
  await asNobody(dir, () => source.series())
  t.same(source.faults(), [{ code: 'MDM_SOURCE_UNREACHABLE', objects: 1 }])
  const closed = join(dir, 'closed')
  mkdirSync(closed, { mode: 0 })
  await t.rejects(
    asNobody(dir, () => source.series()),
    { code: 'MDM_SOURCE_UNREACHABLE' },
  )
  // Without root, what may not be read could not be removed either.
  chmodSync(closed, 0o700)
})

/** Root may read everything, so as root the source is read with the rights of somebody else. */
async function asNobody<T>(dir: string, read: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return await read()
  chmodSync(dir, 0o755)
  process.seteuid!(65_534)
  try {
    return await read()
  } finally {
    process.seteuid!(0)
  }
}

t.test('a kind of source that is not known is refused', async (t) => {
  for (const url of ['https://pacs.example/dicom-web', 'dimse://pacs.example:104/AE', 'file://elsewhere/a']) {
    await t.rejects(openUrl(url), { code: 'MDM_CONFIG' })
  }
  const web = { name: 'pacs', url: 'dicomweb+https://pacs.example/rs' }
  await t.rejects(openSource(SourceConfig.parse({ ...web, retrieve: ['c-get'] })), { code: 'MDM_CONFIG' })
  await (await openSource(SourceConfig.parse({ ...web, retrieve: ['wado-rs'] }))).close()
})
