import { createBudget } from '@mdm/server/dicom/sources/budget'
import { dicomwebSource } from '@mdm/server/dicom/sources/dicomweb'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { dicomSourceContract } from '../conformance/dicom-source.ts'
import { startOrthanc } from '../fixtures/peers/orthanc.ts'

const orthanc = await startOrthanc(t)

const OPTIONS = {
  budget: createBudget(4),
  timeouts: { connectMs: 5_000, associationMs: 5_000, inactivityMs: 30_000 },
}

if (orthanc === undefined) t.pass('Orthanc is not installed here')
else {
  dicomSourceContract('Orthanc over DICOMweb', async (t, folder) => {
    await orthanc.empty()
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.dcm'),
    )
    await orthanc.upload(...files.map((name) => join(folder, name)))
    const source = dicomwebSource('pacs', `dicomweb+${orthanc.dicomweb}`, OPTIONS)
    t.teardown(() => source.close())
    return source
  })
}
