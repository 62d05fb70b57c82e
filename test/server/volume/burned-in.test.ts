import { execFile, spawnSync } from 'node:child_process'
import { cp, mkdir, readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { folderSource } from '@mdm/server/dicom/sources/folder'
import { planSeries } from '@mdm/server/volume/group'
import t from 'tap'
import { sharedData } from '../../fixtures/shared-data.ts'
import { collect } from './plaintext.ts'

const PYTHON = '/usr/bin/python3'
const [files, series] = [sharedData('files'), sharedData('series')]
const pydicom = spawnSync(PYTHON, ['-c', 'import pydicom']).status === 0

/** What another reader, with rules of its own, thinks of each file. */
async function verdicts(root: string): Promise<Record<string, 'candidate' | 'clean' | 'none'>> {
  const script = join(import.meta.dirname, '../../fixtures/burned-in.py')
  const { stdout } = await promisify(execFile)(PYTHON, [script, root], { maxBuffer: 1 << 26 })
  return JSON.parse(stdout)
}

/** Codes that the site gives one file that is all of its series. */
async function codesOf(file: string, dir: string): Promise<string[] | undefined> {
  await mkdir(dir)
  await cp(file, join(dir, basename(file)))
  const source = folderSource('one', dir)
  const found = await source.series()
  if (found.length === 0) return undefined
  const { volumes, refused } = planSeries(await collect(source.headers(found[0]!)))
  return [...volumes.map(() => 'volume'), ...refused.map(({ code }) => code)]
}

if (files === undefined || series === undefined) t.pass('skipped: the real test data is not there')
else if (!pydicom) t.pass('skipped: pydicom is not there')
else {
  t.test('every burned-in candidate among the single files is held, and nothing else is', async (t) => {
    const dir = t.testdir()
    const expected = await verdicts(files)
    let held = 0
    for (const [i, [path, verdict]] of Object.entries(expected).entries()) {
      const codes = await codesOf(join(files, path), join(dir, String(i)))
      // What is too damaged to be looked at is refused as such; it is never a volume.
      if (verdict === 'candidate')
        t.ok(
          codes === undefined || codes.every((code) => code === 'MDM_PRIVACY_HELD' || code === 'MDM_DICOM'),
          `${path}: ${codes}`,
        )
      else t.notOk(codes?.includes('MDM_PRIVACY_HELD'), `${path}: ${codes}`)
      if (codes?.includes('MDM_PRIVACY_HELD')) held++
    }
    const candidates = Object.values(expected).filter((verdict) => verdict === 'candidate').length
    t.comment(`${candidates} candidates of ${Object.keys(expected).length} files, ${held} held`)
    t.ok(candidates > 20 && held >= candidates - 3)
  })

  t.test('no series of the data is a candidate, and none is held', async (t) => {
    const expected = await verdicts(series)
    t.strictSame(
      Object.entries(expected).filter(([, verdict]) => verdict === 'candidate'),
      [],
    )
    for (const id of await readdir(series)) {
      const source = folderSource('real', join(series, id, 'dicom'))
      for (const ref of await source.series()) {
        const { refused } = planSeries(await collect(source.headers(ref)))
        t.notOk(
          refused.some(({ code }) => code === 'MDM_PRIVACY_HELD'),
          id,
        )
      }
    }
  })
}
