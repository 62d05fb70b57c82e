import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { metadataOf } from '../../../packages/core/src/access/metadata.ts'
import type { FollowedEvent } from '../../../packages/core/src/access/register.ts'
import { folderSource } from '../../../packages/server/src/dicom/sources/folder.ts'
import { addSeries, registerAll, startSiteGrid } from '../site-grid.ts'

const reportOf = (events: readonly FollowedEvent[]) => {
  const last = events.at(-1)
  if (last?.type !== 'done') throw new Error(`the job ended with ${JSON.stringify(last)}`)
  return last.report
}
const HEIGHTS = [0, 2, 6, 8]

t.test('a series with a gap, and a site that may make a volume of it', async (t) => {
  const attributes = (k: number) => ({ ImagePositionPatient: ['0', '0', String(HEIGHTS[k])] })
  const grid = await startSiteGrid(t, { series: [{ attributes }] })
  const admin = await grid.as('admin')

  await t.test('it is refused, and where the gap is is said', async (t) => {
    const { refused } = reportOf(await registerAll(admin))
    t.match(refused, [{ code: 'MDM_GEOMETRY_GAP', reason: 'follow 2.00 mm' }])
  })

  await t.test('with gaps allowed it is a volume, and that is in the audit log', async (t) => {
    const { registered, refused } = reportOf(await registerAll(admin, { allowGaps: true }))
    t.strictSame(refused, [])
    t.equal(registered.length, 1)
    const { tables } = await metadataOf(admin, { guid: registered[0]!.guid })
    t.ok(Math.abs(Number(tables.image?.slice_spacing) - 8 / 3) < 1e-9, 'the step is the mean')
    const audit = await readFile(join(grid.provisioned.site.dir, 'audit.jsonl'), 'utf8')
    t.match(audit, '"allowGaps":true')
  })

  await t.test('a later look keeps to it', async (t) => {
    const { already, refused } = reportOf(await registerAll(admin))
    t.strictSame([already.length, refused], [1, []])
  })

  await t.test('a series without gaps is the same, whatever is allowed', async (t) => {
    await addSeries(grid.source, 'even', { modality: 'MR' })
    t.equal(reportOf(await registerAll(admin, { allowGaps: true })).registered.length, 1)
    t.equal(reportOf(await registerAll(admin)).already.length, 2)
  })
})

t.test('a slice that was sent twice under two names counts once, for its pixels are the same', async (t) => {
  const grid = await startSiteGrid(t, { series: [{}] })
  const admin = await grid.as('admin')
  const folder = join(grid.source, 's0')
  await renamed(folder, await onlyFile(folder))
  const { registered, refused } = reportOf(await registerAll(admin))
  t.strictSame(refused, [])
  t.match(registered, [{ shape: [8, 6, 4], instances: 4 }])
})

async function onlyFile(folder: string): Promise<string> {
  return join(folder, (await readdir(folder)).sort()[1]!)
}

/** The same object under another SOPInstanceUID of the same length. */
async function renamed(folder: string, file: string): Promise<void> {
  const bytes = await readFile(file)
  await mkdir(join(folder, 'again'))
  const copy = join(folder, 'again', 'copy.dcm')
  await copyFile(file, copy)
  const source = folderSource('look', join(folder, 'again'))
  const [ref] = await source.series()
  for await (const { sop } of source.headers(ref!)) {
    const other = sop.slice(0, -1) + (sop.endsWith('1') ? '2' : '1')
    const text = bytes.toString('latin1').replaceAll(sop, other)
    await writeFile(copy, text, 'latin1')
  }
}
