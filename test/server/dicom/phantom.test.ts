import { writePhantoms } from '@mdm/server/dicom/dcmjs/phantom'
import { folderSource } from '@mdm/server/dicom/sources/folder'
import { planSeries } from '@mdm/server/volume/group'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { collect, plaintextOf } from '../volume/plaintext.ts'

const small = { ct: { slices: 6, columns: 32, rows: 32 }, mr: { slices: 5, columns: 24, rows: 20 } }

t.test('the phantoms make one CT and one oblique MR volume', async (t) => {
  const dir = t.testdir()
  await writePhantoms(dir)
  const source = folderSource('phantom', dir)
  const shapes: Record<string, number[]> = {}
  for (const ref of await source.series()) {
    const { volumes, refused } = planSeries(await collect(source.headers(ref)))
    t.same(refused, [])
    const [plan] = volumes
    const { volume } = plan!
    shapes[volume.modality] = [volume.columns, volume.rows, volume.slices]
    const middle = (await plaintextOf(source, ref, plan!))[1 + Math.floor(volume.slices / 2)]!
    const tones = new Set(new Uint16Array(Uint8Array.from(middle).buffer))
    t.ok(tones.size > 30, 'the middle slice shows something')
  }
  t.same(shapes, { CT: [128, 128, 64], MR: [96, 96, 48] })
})

t.test('the same seed gives the same files, another seed other UIDs', async (t) => {
  const dir = t.testdir()
  for (const [name, seed] of Object.entries({ a: '1', b: '1', c: '2' }))
    await writePhantoms(join(dir, name), { seed, ...small })
  const read = (name: string) =>
    readdirSync(join(dir, name, 'ct')).map((file) =>
      readFileSync(join(dir, name, 'ct', file)).toString('hex'),
    )
  t.same(read('a'), read('b'))
  t.notSame(read('a'), read('c'))
})

t.test('every object is valid by its IOD', async (t) => {
  if (spawnSync('dciodvfy').error) return void t.pass('skipped: no dciodvfy here')
  const dir = t.testdir()
  await writePhantoms(dir, small)
  for (const folder of ['ct', 'mr']) {
    for (const file of readdirSync(join(dir, folder))) {
      const { stderr, stdout } = spawnSync('dciodvfy', [join(dir, folder, file)], { encoding: 'utf8' })
      t.match(`${stdout}${stderr}`, /^(CT|MR)Image\n$/, file)
    }
  }
})

t.test('another reader finds the same pixels and patient', async (t) => {
  const python = '/usr/bin/python3'
  if (spawnSync(python, ['-c', 'import pydicom']).status !== 0) return void t.pass('skipped: no pydicom here')
  const dir = t.testdir()
  await writePhantoms(dir, {
    ...small,
    patient: { name: 'CANARY^BIRD', id: 'C1' },
    ct: { ...small.ct, voxel: (i, j, k) => i + 10 * j + 100 * k },
  })
  const file = join(dir, 'ct', readdirSync(join(dir, 'ct'))[1]!)
  const script =
    'import pydicom,sys; d=pydicom.dcmread(sys.argv[1]); p=d.PixelData; print(d.PatientName, d.PatientID, d.ImagePositionPatient[2], p[2]+256*p[3])'
  const { stdout } = spawnSync(python, ['-c', script, file], { encoding: 'utf8' })
  t.match(stdout, /^CANARY\^BIRD C1 -1\.25 201\n/)
})
