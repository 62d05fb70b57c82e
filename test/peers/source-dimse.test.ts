import { SourceConfig } from '@mdm/server/dicom/source-config'
import { openSource } from '@mdm/server/dicom/sources/index'
import t, { type Test } from 'tap'
import { dicomSourceContract } from '../conformance/dicom-source.ts'
import { startOrthanc } from '../fixtures/peers/orthanc.ts'

t.setTimeout(120_000)

const open = async (t: Test, url: string) => {
  const source = await openSource(SourceConfig.parse({ name: 'pacs', url }))
  t.teardown(() => source.close())
  return source
}

const orthanc = await startOrthanc(t)
if (orthanc === undefined) t.pass('Orthanc is not installed here')
else
  dicomSourceContract('Orthanc over DIMSE', async (t, folder) => {
    await orthanc.empty()
    await orthanc.store(folder)
    return await open(t, orthanc.url)
  })
