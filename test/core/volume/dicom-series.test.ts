import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { OpenVolume } from '@mdm/core/access/decrypt'
import { saveOpenedSeries } from '@mdm/core/access/save-series'
import { newGuid } from '@mdm/core/names'
import { sliceBytes, type Volume } from '@mdm/core/volume/volume'
import { readHeader } from '@mdm/server/dicom/part10/index'
import { planesOf } from '@mdm/server/volume/planes/index'
import t, { type Test } from 'tap'
import { fileOf, sampleVolume, sampleVoxels } from './samples.ts'

const PYTHON = '/usr/bin/python3'
const SCRIPT = resolve(import.meta.dirname, '../../fixtures/compare-dicom.py')
const hasReaders = spawnSync(PYTHON, ['-c', 'import nibabel, pydicom']).status === 0
const hasProgram = (name: string): boolean => !spawnSync(name, ['--version']).error

const CASES: readonly (readonly [name: string, volume: Volume])[] = [
  ['CT', sampleVolume('axial', { type: 'int16', slope: 1, intercept: -1024, modality: 'CT', units: 'HU' })],
  ['oblique MR', sampleVolume('oblique', { type: 'uint16', modality: 'MR' })],
  [
    'sagittal MR of signed bytes',
    sampleVolume('sagittal', { type: 'int8', modality: 'MR', slope: 0.5, intercept: 2 }),
  ],
  ['coronal bytes', sampleVolume('coronal', { type: 'uint8', modality: 'CT' })],
  [
    'PET',
    sampleVolume('axial', { type: 'int16', modality: 'PT', slope: 0.125, intercept: 0, units: 'BQML' }),
  ],
  ['colours', sampleVolume('axial', { type: 'rgb24', modality: 'OT' })],
]

/** A volume in memory, as level 2 opens one. */
function opened(volume: Volume, voxels: Buffer): OpenVolume {
  const bytes = sliceBytes(volume)
  return {
    ...{ guid: newGuid(), version: 2, volume, headerBytes: 0, plaintextBytes: voxels.length },
    read: async (offset, length) => voxels.subarray(offset, offset + length),
    slice: async (k) => voxels.subarray(k * bytes, (k + 1) * bytes),
    stream: async function* () {
      yield voxels
    },
    close: async () => {},
  }
}

async function written(
  t: Test,
  volume: Volume,
  dir = t.testdir(),
): Promise<{ path: string; files: Buffer[]; guid: string }> {
  const path = join(dir, 'series')
  const open = opened(volume, sampleVoxels(volume))
  const saved = await saveOpenedSeries(open, { path })
  const files = readdirSync(path)
    .sort()
    .map((name) => readFileSync(join(path, name)))
  t.equal(
    saved.bytes,
    files.reduce((sum, { length }) => sum + length, 0),
  )
  t.equal(saved.sha256, createHash('sha256').update(Buffer.concat(files)).digest('hex'))
  t.equal(readdirSync(dir).filter((name) => name.startsWith('.')).length, 0)
  return { path, files, guid: open.guid }
}

/** How far voxels lie from those of our NIfTI file, in voxels; how much values differ; how many there are. */
async function compared(dir: string, found: string, volume: Volume): Promise<number[]> {
  const reference = join(dir, 'reference.nii')
  writeFileSync(reference, await fileOf('nifti', volume, sampleVoxels(volume)))
  const { stdout, stderr } = spawnSync(PYTHON, [SCRIPT, found, reference], { encoding: 'utf8' })
  if (stdout === '') throw new Error(stderr)
  return stdout.trim().split(' ').map(Number)
}

for (const [name, volume] of CASES) {
  const voxels = volume.columns * volume.rows * volume.slices
  t.test(`${name}: a valid DICOM series with the same voxels at the same places`, async (t) => {
    const dir = t.testdir()
    const { path, files, guid } = await written(t, volume, dir)
    t.equal(files.length, volume.slices)
    for (const [k, file] of files.entries()) {
      const header = readHeader(file)
      const planes = planesOf(header)
      t.ok(!('code' in planes) && planes.length === 1, `slice ${k} is a plane of our own reader`)
      t.match(header, { modality: volume.modality, text: { PatientID: guid } })
      t.notOk(
        file.includes('1.2.276') || /\b(19|20)\d{6}\b/.test(file.toString('latin1')),
        'no date, no UID of others',
      )
    }
    if (!hasProgram('dciodvfy')) t.pass('skipped: no dciodvfy here')
    else
      for (const file of readdirSync(path)) {
        const { stdout, stderr } = spawnSync('dciodvfy', [join(path, file)], { encoding: 'utf8' })
        t.notMatch(`${stdout}${stderr}`, /^Error/m, file)
      }
    if (volume.type === 'rgb24') return
    if (!hasReaders)
      return void t.pass('skipped: nothing here can judge it (python3-nibabel, python3-pydicom)')
    const [farthest, largest, count] = await compared(dir, path, volume)
    t.ok(farthest! < 1e-3 && largest! < 1e-4 && count === voxels, `${farthest} voxels, ${largest}, ${count}`)
    if (!hasProgram('dcm2niix')) return void t.pass('skipped: no dcm2niix here')
    const out = join(dir, 'converted')
    mkdirSync(out)
    const run = spawnSync('dcm2niix', ['-p', 'n', '-b', 'n', '-z', 'n', '-f', 'v', '-o', out, path], {
      encoding: 'utf8',
    })
    t.same(readdirSync(out), ['v.nii'], run.stdout)
    const [far, large, all] = await compared(dir, join(out, 'v.nii'), volume)
    t.ok(far! < 1e-3 && large! < 1e-3 && all === voxels, `dcm2niix: ${far} voxels, ${large}, ${all}`)
  })
}

t.test('a leaning stack keeps its lean, and uneven slices their places', async (t) => {
  const sheared = sampleVolume('sheared', { type: 'int16', modality: 'CT' })
  const dir = t.testdir()
  const { path, files } = await written(t, sheared, dir)
  const positions = files.map((file) => readHeader(file).position!)
  const [, , step] = sheared.spaceDirections
  for (const [k, position] of positions.entries())
    for (const [axis, mm] of position.entries())
      t.ok(Math.abs(mm - sheared.origin[axis]! - k * step[axis]!) < 1e-9)
  if (hasReaders) t.ok((await compared(dir, path, sheared))[0]! < 1e-3)
})

t.test('the same volume gives the same bytes, and what DICOM cannot hold is refused whole', async (t) => {
  const volume = sampleVolume('axial', { type: 'int16', modality: 'CT' })
  const open = opened(volume, sampleVoxels(volume))
  const dir = t.testdir()
  const [a, b] = [join(dir, 'a'), join(dir, 'b')]
  t.equal(
    (await saveOpenedSeries(open, { path: a })).sha256,
    (await saveOpenedSeries(open, { path: b })).sha256,
  )
  t.equal((await saveOpenedSeries(open, { path: join(dir, 'c'), slices: [1, 2] })).path, join(dir, 'c'))
  t.same(readdirSync(join(dir, 'c')), ['00002.dcm', '00003.dcm'])
  await t.rejects(saveOpenedSeries(open, { path: a }), { code: 'MDM_CONFLICT' })
  for (const type of ['int32', 'float32'] as const) {
    const other = sampleVolume('axial', { type })
    await t.rejects(saveOpenedSeries(opened(other, sampleVoxels(other)), { path: join(dir, 'd') }), {
      code: 'MDM_USAGE',
    })
  }
  t.same(readdirSync(dir).sort(), ['a', 'b', 'c'])
})
