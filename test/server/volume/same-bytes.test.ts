import { writeEnhanced } from '@mdm/server/dicom/dcmjs/write-enhanced'
import { writeSeries, type SeriesOptions } from '@mdm/server/dicom/dcmjs/write-series'
import { folderSource } from '@mdm/server/dicom/sources/folder'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import t, { type Test } from 'tap'
import { sharedData } from '../../fixtures/shared-data.ts'
import { small } from './generated.ts'
import { plaintextOf, planOnly } from './plaintext.ts'

/** The plaintexts of all volumes that a folder holds, in order of their labels. */
async function plaintexts(t: Test, dir: string): Promise<Buffer[]> {
  const source = folderSource('twin', dir)
  t.teardown(() => source.close())
  const { ref, plan } = await planOnly(source)
  t.same(plan.refused, [])
  const found: Buffer[] = []
  for (const volume of plan.volumes) found.push(Buffer.concat(await plaintextOf(source, ref, volume)))
  return found
}

const MR: SeriesOptions = small({ modality: 'MR', columns: 32, rows: 24, bitsStored: 12, slope: 2.5 })

t.test('a volume has the same bytes from classic objects and from an enhanced one', async (t) => {
  for (const modality of ['CT', 'MR'] as const) {
    const dir = t.testdir()
    const series = { ...MR, modality }
    await writeSeries(join(dir, 'classic'), series)
    await writeEnhanced(join(dir, 'enhanced'), { ...series, order: (k) => (k * 5) % 6 })
    const [classic] = await plaintexts(t, join(dir, 'classic'))
    const [enhanced] = await plaintexts(t, join(dir, 'enhanced'))
    t.ok(classic!.equals(enhanced!), modality)
  }
})

/** Programs of DCMTK that write the same pixels in other ways. */
const ENCODERS: Record<string, [program: string, ...flags: string[]]> = {
  'explicit big endian': ['dcmconv', '+tb'],
  implicit: ['dcmconv', '+ti'],
  deflated: ['dcmconv', '+td'],
  RLE: ['dcmcrle'],
  'JPEG lossless, first-order prediction': ['dcmcjpeg', '+e1'],
  'JPEG lossless, any prediction': ['dcmcjpeg', '+el'],
  'JPEG-LS': ['dcmcjpls', '+el'],
}
if (spawnSync('dcmconv', ['--version']).status !== 0) {
  if (process.env.MDM_PEERS === 'required') throw new Error('MDM_PEERS=required, but DCMTK is not there')
  t.pass('skipped: no DCMTK here')
} else
  t.test('a volume has the same bytes in every transfer syntax without loss', async (t) => {
    const dir = t.testdir()
    const { files } = await writeSeries(join(dir, 'plain'), MR)
    const [plain] = await plaintexts(t, join(dir, 'plain'))
    for (const [what, [program, ...flags]] of Object.entries(ENCODERS)) {
      const to = join(dir, what)
      mkdirSync(to)
      // as the same objects, whatever the encoder thinks of their names
      const keep = program === 'dcmconv' ? [] : ['+un']
      for (const file of files)
        execFileSync(program, [
          ...flags,
          ...(program === 'dcmcrle' ? [] : keep),
          file,
          join(to, basename(file)),
        ])
      t.notOk(
        readFileSync(join(to, basename(files[0]!))).equals(readFileSync(files[0]!)),
        `${what} is another file`,
      )
      const [other] = await plaintexts(t, to)
      t.ok(other!.equals(plain!), what)
    }
  })

const root = sharedData('series')
if (root === undefined) t.pass('skipped: the real test data is not there')
else {
  const { series_with_equal_first_volume: twins } = JSON.parse(
    readFileSync(join(root, '../MANIFEST.json'), 'utf8'),
  ) as { series_with_equal_first_volume: string[][] }
  for (const pair of twins) {
    t.test(`${pair.join(' and ')}: the same bytes`, async (t) => {
      const [first, ...others] = await Promise.all(
        pair.map(async (id) => (await plaintexts(t, join(root, id, 'dicom')))[0]!),
      )
      for (const other of others) t.ok(other.equals(first!))
    })
  }
}
