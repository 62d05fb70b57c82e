import { dicomSourceContract } from '../../../conformance/dicom-source.ts'
import { openSource, startServer, storedIn } from './server.ts'

dicomSourceContract('DICOMweb', async (t, folder) => {
  return openSource(t, await startServer(t, storedIn(folder))).source
})
