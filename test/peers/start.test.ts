import { writeSeries } from '@mdm/server/dicom/dcmjs/write-series'
import { execFileSync, spawnSync } from 'node:child_process'
import t, { type Test } from 'tap'
import { startCtn } from '../fixtures/peers/ctn.ts'
import { startDcmqrscp } from '../fixtures/peers/dcmqrscp.ts'
import { startOrthanc } from '../fixtures/peers/orthanc.ts'
import { CALLING_AE, type Pacs } from '../fixtures/peers/peer.ts'

const SERVERS: Record<string, (t: Test) => Promise<Pacs | undefined>> = {
  Orthanc: startOrthanc,
  dcmqrscp: startDcmqrscp,
  CTN: startCtn,
}

for (const [name, start] of Object.entries(SERVERS)) {
  t.test(`${name} starts, takes a series and names it`, async (t) => {
    const pacs = await start(t)
    if (pacs === undefined) return void t.pass(`${name} is not installed here`)
    const grid = { columns: 5, rows: 3, slices: 3, spacing: [1, 1, 2] as [number, number, number] }
    const written = await writeSeries(t.testdir(), { ...grid, modality: 'CT', voxel: (i, j, k) => i + j + k })
    await pacs.store(...written.files)
    const keys = ['QueryRetrieveLevel=SERIES', `StudyInstanceUID=${written.study}`, 'SeriesInstanceUID']
    const to = ['-S', '-aet', CALLING_AE, '-aec', pacs.ae, '127.0.0.1', String(pacs.port)]
    const { stdout, stderr } = spawnSync('findscu', ['-v', ...to, ...keys.flatMap((key) => ['-k', key])], {
      encoding: 'latin1',
    })
    t.match(stdout + stderr, written.series)
    await pacs.stop()
    t.throws(() => execFileSync('echoscu', ['-to', '1', ...to.slice(1)], { stdio: 'ignore' }), 'it has ended')
  })
}
