import { createBudget } from '@mdm/server/dicom/sources/budget'
import { dicomwebSource } from '@mdm/server/dicom/sources/dicomweb'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { dicomSourceContract, type Serve } from '../conformance/dicom-source.ts'
import { startOrthanc } from '../fixtures/peers/orthanc.ts'

const orthanc = await startOrthanc(t)

const OPTIONS = {
  budget: createBudget(4),
  timeouts: { connectMs: 5_000, associationMs: 5_000, inactivityMs: 30_000 },
}

if (orthanc === undefined) t.pass('Orthanc is not installed here')
else {
  const serve: Serve = async (t, folder) => {
    await orthanc.empty()
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.dcm'),
    )
    await orthanc.upload(...files.map((name) => join(folder, name)))
    const source = dicomwebSource('pacs', `dicomweb+${orthanc.dicomweb}`, OPTIONS)
    t.teardown(() => source.close())
    return source
  }
  // Orthanc 1.10 reads a sequence of unknown VR and undefined length with 1.8 GB of memory, a second for each object.
  dicomSourceContract('Orthanc over DICOMweb', serve, { without: ['unknown VR'] })
}
