import { readFileMeta, readHeader } from '@mdm/server/dicom/part10/index'
import { createBudget } from '@mdm/server/dicom/sources/budget'
import { dicomwebSource } from '@mdm/server/dicom/sources/dicomweb'
import type { SeriesRef } from '@mdm/server/dicom/source'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startOrthanc } from '../fixtures/peers/orthanc.ts'
import { sharedData } from '../fixtures/shared-data.ts'

t.setTimeout(300_000)

t.test('real objects of many makers come through Orthanc byte for byte', async (t) => {
  const folder = sharedData()
  const orthanc = folder === undefined ? undefined : await startOrthanc(t)
  if (folder === undefined || orthanc === undefined)
    return void t.pass('the real test data, or Orthanc, is not here')

  // Several files share a SOPInstanceUID on purpose, and Orthanc keeps the first it gets: any of them will do.
  const digests = new Map<string, Set<string>>()
  let refused = 0
  const series = new Map<string, SeriesRef>()
  for (const file of dicomFiles(folder)) {
    const bytes = readFileSync(file)
    const known = headerOf(bytes)
    if (known === undefined) continue
    await orthanc.upload(file).then(
      () => {
        const { study, series: of, sop } = known
        series.set(`${study}\\${of}`, { study, series: of })
        const digest = digestOf(bytes.subarray(readFileMeta(bytes)!.end))
        digests.set(sop, (digests.get(sop) ?? new Set()).add(digest))
      },
      () => refused++,
    )
  }
  const source = dicomwebSource('pacs', `dicomweb+${orthanc.dicomweb}`, {
    budget: createBudget(4),
    timeouts: { connectMs: 10_000, associationMs: 10_000, inactivityMs: 60_000 },
  })
  t.teardown(() => source.close())
  t.equal((await source.series()).length, series.size)
  let [objects, headers] = [0, 0]
  for (const ref of series.values()) {
    for await (const { sop, dataSet } of source.objects(ref)) {
      const hash = createHash('sha256')
      for await (const chunk of dataSet) hash.update(chunk)
      if (!digests.get(sop)?.has(hash.digest('hex'))) t.fail('an object came back changed')
      objects++
    }
    for await (const _ of source.headers(ref)) headers++
  }
  t.comment(`${objects} objects in ${series.size} series, ${refused} files refused`)
  t.ok(objects > 400)
  t.equal(refused, 0)
  t.equal(objects, digests.size)
  t.equal(headers, digests.size)
})

function dicomFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => join(folder, name))
    .filter((file) => statSync(file).isFile() && statSync(file).size < 200 << 20)
}

/** What an object says of itself; undefined for what is no DICOM, or damaged. */
function headerOf(bytes: Buffer): ReturnType<typeof readHeader> | undefined {
  try {
    const header = readHeader(bytes)
    return header.fault === undefined ? header : undefined
  } catch {
    return undefined
  }
}

function digestOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
