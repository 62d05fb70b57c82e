import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { MdmError } from '@mdm/core/errors'
import { readHeader } from '@mdm/server/dicom/part10/index'
import { decodedFrames, decodedPhotometric, Gathered, storedFrames } from '@mdm/server/dicom/pixels/index'
import { folderSource } from '@mdm/server/dicom/sources/folder'
import type { InstanceHeader } from '@mdm/server/dicom/source'
import t from 'tap'
import { sharedData } from '../../../fixtures/shared-data.ts'
import { wantedOf } from '../../../fixtures/wanted.ts'
import { decodersFor } from './frames-of.ts'

interface ManifestFile {
  file: string
  pixels?: { sha256_C?: string }
}

/** Files whose pixels are another thing than the reference has, and why. */
const OTHERWISE: Readonly<Record<string, string>> = {
  'files/pydicom/SC_rgb_jpeg_dcmtk.dcm': 'the reference keeps brightness and colour, we make RGB',
  'files/pydicom/examples_ybr_color.dcm': 'the reference keeps brightness and colour, we make RGB',
}

t.test('the pixels of every real file are those of the reference, or are refused by name', async (t) => {
  const manifest = sharedData('MANIFEST.json')
  if (manifest === undefined) return t.pass('skipped: the real files are not on this machine')
  const { files } = JSON.parse(await readFile(manifest, 'utf8')) as { files: ManifestFile[] }
  const decoders = decodersFor(t)
  let same = 0
  for (const { file, pixels } of files) {
    const stored = await readFile(sharedData(file)!)
    const hash = createHash('sha256')
    try {
      const header = readHeader(stored)
      const bytes = new Gathered()
      bytes.add(stored)
      let frames = 0
      for await (const frame of decodedFrames(storedFrames(header, bytes), decoders)) {
        hash.update(frame.pixels)
        frames++
      }
      t.equal(frames, header.frames, `${file}: every frame`)
      if (OTHERWISE[file] === undefined) t.equal(hash.digest('hex'), pixels?.sha256_C, file)
      else t.equal(decodedPhotometric(header), 'RGB', `${file}: ${OTHERWISE[file]}`)
      same++
    } catch (error) {
      if (!(error instanceof MdmError)) throw error
      t.match(error.code, /^MDM_(DICOM|PIXELS)$/, `${file}: ${error.message}`)
      t.equal(pixels?.sha256_C, undefined, `${file}: refused, and the reference has no pixels either`)
    }
  }
  t.ok(same > 40, `${same} of ${files.length} files have pixels`)
})

t.test('compressed real series give the reference, slice by slice', async (t) => {
  const manifest = sharedData('MANIFEST.json')
  if (manifest === undefined) return t.pass('skipped: the real series are not on this machine')
  const { series } = JSON.parse(await readFile(manifest, 'utf8')) as { series: ManifestSeries[] }
  for (const id of ['mr-t1-siemens-jpegll-fragmented', 'mr-jpeg2000-noise', 'mr-rle-noise']) {
    const wanted = series.find((known) => known.id === id)!
    const source = folderSource('real', sharedData(wanted.folder)!)
    t.teardown(() => source.close())
    const [ref] = await source.series()
    const wantedSops: string[] = []
    for await (const { sop } of source.headers(ref!)) wantedSops.push(sop)
    const slices: { z: number; pixels: Buffer }[] = []
    for await (const { header, pixels } of source.retrieve(ref!, wantedOf(wantedSops)))
      slices.push({ z: alongNormal(header), pixels })
    const hash = createHash('sha256')
    for (const { pixels } of slices.sort((a, b) => a.z - b.z)) hash.update(pixels)
    t.same([hash.digest('hex')], wanted.pydicom_stack.sha256_stored_kji, id)
  }
})

interface ManifestSeries {
  id: string
  folder: string
  pydicom_stack: { sha256_stored_kji: string[] }
}

/** mm along the normal of the slice. */
function alongNormal({ position, orientation }: InstanceHeader): number {
  const [a, b, c, d, e, f] = orientation!
  const [x, y, z] = position!
  return x * (b * f - c * e) + y * (c * d - a * f) + z * (a * e - b * d)
}
