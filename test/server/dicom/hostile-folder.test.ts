import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeObject } from '@mdm/server/dicom/dcmjs/write-object'
import { writeSeries } from '@mdm/server/dicom/dcmjs/write-series'
import { readFileMeta } from '@mdm/server/dicom/part10/index'
import { folderSource } from '@mdm/server/dicom/sources/folder'
import type { InstanceHeader } from '@mdm/server/dicom/source'
import { planSeries } from '@mdm/server/volume/group'
import t from 'tap'
import * as hostile from '../../fuzz/dataset/hostile.ts'
import { EXPLICIT, withSyntax } from '../../fuzz/dataset/write.ts'
import { small } from '../volume/generated.ts'
import { collect } from '../volume/plaintext.ts'
import { wantedOf } from '../../fixtures/wanted.ts'

/** More than a server of ours may take for itself. */
const HUGE = 3 * 2 ** 30

t.test('hostile files beside a series are counted, and the series is served', async (t) => {
  const dir = t.testdir()
  const written = await writeSeries(dir, small())
  const sound = writeObject({ SOPClassUID: '1.2', SOPInstanceUID: '1.2.3' })
  const meta = sound.subarray(0, readFileMeta(sound)!.end)
  const inflating = withSyntax(meta, '1.2.840.10008.1.2.1.99')
  const hostiles = {
    elements: [meta, hostile.manyElements(EXPLICIT, 1)],
    items: [meta, hostile.manyItems(EXPLICIT, 1)],
    unended: [meta, hostile.manyUnended(EXPLICIT, 1)],
    deep: [meta, hostile.deep(EXPLICIT, 1, true)],
    zeros: [inflating, hostile.bomb('zeros')],
    inflated: [inflating, hostile.bomb('items')],
    blocks: [inflating, hostile.emptyBlocks()],
  }
  for (const [name, parts] of Object.entries(hostiles)) writeFileSync(join(dir, name), Buffer.concat(parts))
  const source = folderSource('folder', dir)
  t.match(await source.series(), [{ study: written.study, series: written.series }])
  t.same(source.faults(), [{ code: 'MDM_DICOM', objects: Object.keys(hostiles).length }])
  t.equal((await collect(source.retrieve(written, wantedOf(written.sops)))).length, 6)
})

t.test('an image of three GiB is refused, and nobody makes room for it', async (t) => {
  const dir = t.testdir()
  const huge = small({ slices: 1, attributes: () => ({ Rows: 65_535, Columns: 24_000 }) })
  const { files, ...written } = await writeSeries(dir, huge)
  declarePixels(files[0]!, HUGE)
  const source = folderSource('folder', dir)
  await source.series()
  const headers: InstanceHeader[] = await collect(source.headers(written))
  t.match(headers, [{ fault: undefined, rows: 65_535, pixelData: { length: HUGE } }])
  t.equal(planSeries(headers).refused[0]?.code, 'MDM_PIXELS')
  const before = process.memoryUsage().arrayBuffers
  await t.rejects(collect(source.retrieve(written, wantedOf(written.sops))), { code: 'MDM_PIXELS' })
  t.ok(process.memoryUsage().arrayBuffers - before < 2 ** 28)
})

/** Makes a file declare so many bytes of pixels, and have them: as a hole, which takes no room on the disk. */
function declarePixels(path: string, bytes: number): void {
  const file = readFileSync(path)
  const head = file.indexOf(Buffer.from([0xe0, 0x7f, 0x10, 0]))
  file.writeUInt32LE(bytes, head + 8)
  writeFileSync(path, file)
  truncateSync(path, head + 12 + bytes)
}
