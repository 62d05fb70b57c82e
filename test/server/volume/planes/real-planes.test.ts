import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { folderSource } from '@mdm/server/dicom/sources/folder'
import { readHeader } from '@mdm/server/dicom/part10/index'
import type { InstanceHeader } from '@mdm/server/dicom/source'
import { planesOf } from '@mdm/server/volume/planes/index'
import type { Plane } from '@mdm/server/volume/plane'
import t, { type Test } from 'tap'
import { sharedData } from '../../../fixtures/shared-data.ts'
import { collect } from '../plaintext.ts'

/** What pydicom says of a plane. */
type Said = Pick<Plane, 'position' | 'orientation' | 'pixelSpacing'> & { sliceThickness: number | null }
type Affine = readonly (readonly number[])[]

const PYTHON = '/usr/bin/python3'
const SCRIPT = resolve(import.meta.dirname, '../../../fixtures/planes-of.py')
const hasPydicom = spawnSync(PYTHON, ['-c', 'import pydicom']).status === 0

/** Objects of many tiles, which pydicom cannot take apart, and how many there are in one. */
const TILED: Readonly<Record<string, number>> = {
  'mr-epi-siemens-mosaic': 5,
  'mr-mosaic-sagittal': 35,
  'mr-dti-uih-grid': 20,
}

/** Every plane of an object; a fault is a failure. */
function planes(t: Test, header: InstanceHeader): Plane[] {
  const found = planesOf(header)
  if (!('code' in found)) return found
  t.fail(found.reason)
  return []
}

/** Where a point (LPS, mm) lies in the grid of a NIfTI file: i, j, k. */
function indexOf([x, y, z]: readonly number[], affine: Affine): number[] {
  const [a, b, c] = [affine[0]!, affine[1]!, affine[2]!]
  const [p, q, r] = [-x! - a[3]!, -y! - b[3]!, z! - c[3]!]
  const minor = (m: readonly number[], n: readonly number[]) => (i: number, j: number) =>
    m[i]! * n[j]! - m[j]! * n[i]!
  const [bc, ac, ab] = [minor(b, c), minor(a, c), minor(a, b)]
  const determinant = a[0]! * bc(1, 2) - a[1]! * bc(0, 2) + a[2]! * bc(0, 1)
  return [
    (p * bc(1, 2) - q * ac(1, 2) + r * ab(1, 2)) / determinant,
    (-p * bc(0, 2) + q * ac(0, 2) - r * ab(0, 2)) / determinant,
    (p * bc(0, 1) - q * ac(0, 1) + r * ab(0, 1)) / determinant,
  ]
}

const root = sharedData('series')
if (root === undefined) t.pass('skipped: the real test data is not there')
else {
  const manifest = JSON.parse(readFileSync(join(root, '../MANIFEST.json'), 'utf8'))
  const judged = manifest.series.map(({ id }: { id: string }) => id).filter((id: string) => !(id in TILED))
  const saidOf = new Map<string, Record<string, Said[]>>()
  if (hasPydicom) {
    const folders = judged.map((id: string) => join(root, id, 'dicom'))
    const text = execFileSync(PYTHON, [SCRIPT, ...folders], { encoding: 'utf8', maxBuffer: 1 << 27 })
    for (const [i, said] of JSON.parse(text).entries()) saidOf.set(judged[i], said)
  }
  for (const { id, references } of manifest.series as {
    id: string
    references: { affine: Affine; shape: number[] }[]
  }[]) {
    const source = folderSource('real', join(root, id, 'dicom'))
    const headers = async (): Promise<InstanceHeader[]> => {
      const found = []
      for (const ref of await source.series()) found.push(...(await collect(source.headers(ref))))
      return found
    }

    if (TILED[id] !== undefined) {
      t.test(`${id}: each tile lies where the reference has it`, async (t) => {
        const { affine, shape } = references[0]!
        for (const header of await headers()) {
          const tiles = planes(t, header)
          t.equal(tiles.length, TILED[id])
          for (const [
            k,
            {
              position,
              orientation: o,
              pixelSpacing: [down, right],
              rows,
              columns,
              tile,
            },
          ] of tiles.entries()) {
            const far = position.map(
              (mm, axis) => mm + (columns - 1) * right * o[axis]! + (rows - 1) * down * o[axis + 3]!,
            )
            // dcm2niix turns the rows of an image upside down
            const indices = [...indexOf(position, affine), ...indexOf(far, affine)]
            const wanted = [0, shape[1]! - 1, k, shape[0]! - 1, 0, k]
            t.ok(
              indices.every((index, i) => Math.abs(index - wanted[i]!) < 1e-3),
              `tile ${k}: ${indices.map((i) => i.toFixed(4))}`,
            )
            t.same([rows, columns], [shape[1], shape[0]])
            const across = Math.ceil(Math.sqrt(tiles.length))
            t.same(tile, { left: (k % across) * columns, top: Math.floor(k / across) * rows })
          }
        }
      })
    } else if (!hasPydicom) t.pass(`${id}: skipped, nothing here can judge it (python3-pydicom)`)
    else {
      t.test(`${id}: pydicom sees the same planes`, async (t) => {
        const said = saidOf.get(id)!
        const found = await headers()
        t.equal(found.length, Object.keys(said).length)
        for (const header of found) {
          const ours = planes(t, header).map(
            ({ position, orientation, pixelSpacing, sliceThickness, values }) => ({
              ...{ position, orientation, pixelSpacing, sliceThickness: sliceThickness ?? null },
              ...{ slope: values.slope, intercept: values.intercept },
            }),
          )
          t.same(ours, said[header.sop])
        }
      })
    }
  }

  t.test('every single file gives planes or the name of what it lacks', async (t) => {
    const named: Record<string, number> = {}
    const { files } = manifest as { files: { file: string }[] }
    for (const { file } of files) {
      let header: InstanceHeader
      try {
        header = readHeader(readFileSync(join(root, '..', file)))
      } catch (error) {
        t.equal((error as { code?: string }).code, 'MDM_DICOM', file)
        continue
      }
      const found = planesOf(header)
      const name = 'code' in found ? found.code : 'planes'
      named[name] = (named[name] ?? 0) + 1
      if ('code' in found)
        t.match(found.code, /^MDM_(GEOMETRY|RESCALE|PIXELS|MULTIFRAME|DICOM)$/, `${file}: ${found.reason}`)
    }
    t.comment(JSON.stringify(named))
    t.ok(named.planes! > 10 && readdirSync(root).length > 0)
  })
}
