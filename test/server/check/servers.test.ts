import { createServiceCertificate } from '@mdm/core/identity/ca'
import { writeSeries } from '@mdm/server/dicom/dcmjs/write-series'
import { serveDimse } from '@mdm/server/dicom/dimse/index'
import { SourceConfig } from '@mdm/server/dicom/source-config'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { checkSources } from '../../../packages/server/src/check/sources.ts'
import { freePort } from '../../fixtures/peers/peer.ts'
import { scriptedObjects } from '../../fixtures/scripted-objects.ts'
import { startScriptedScp } from '../../fixtures/scripted-scp.ts'

const check = async (url: string, more: object = {}) => {
  const [finding] = await checkSources([SourceConfig.parse({ name: 'pacs', url, ...more })])
  return finding
}
const FAST = { associationSeconds: 0.2, inactivitySeconds: 0.2 }

t.test('a PACS that answers is as it should be', async (t) => {
  const scp = await startScriptedScp(t)
  const url = `dicom://${scp.ae}@127.0.0.1:${scp.port}`
  t.match(await check(url), { level: 'ok', subject: 'pacs', message: /no series yet/ })
  const grid = { columns: 4, rows: 4, slices: 3, spacing: [1, 1, 1] as [number, number, number] }
  const { files } = await writeSeries(t.testdir(), { ...grid, modality: 'CT', voxel: () => 1 })
  scp.objects = await scriptedObjects(files)
  t.match(await check(url), { level: 'ok', message: /gives images by c-get/ })
  t.equal(scp.counts.associations, scp.counts.releases, 'and nothing stays open')
})

t.test('the port of a PACS that is shut is named, with what tells whether it is open', async (t) => {
  const port = await freePort()
  const shut = await check(`dicom://PACS@127.0.0.1:${port}`)
  const next = new RegExp(`nc -vz 127\\.0\\.0\\.1 ${port}.*"url" of source "pacs"`)
  t.match(shut, { level: 'fault', subject: 'pacs', message: /^associate fails/, next })
  t.match(await check(`dicomweb+http://127.0.0.1:${port}/dicom-web`), { level: 'fault', next })
})

t.test('a PACS that will not have us, is silent or does not let us ask says which', async (t) => {
  const scp = await startScriptedScp(t, { script: { associate: 'reject' } })
  const url = `dicom://${scp.ae}@127.0.0.1:${scp.port}`
  t.match(await check(url), { level: 'fault', next: /enter application entity MDM/ })
  scp.script = { associate: 'silence' }
  t.match(await check(url, FAST), { level: 'fault', next: /nc -vz/ })
  scp.script = { find: { after: 0, end: { status: 0x0124 } } }
  t.match(await check(url), { level: 'fault', message: /^find fails: .*0124H/, next: /allow .*"find"/ })
  const grid = { columns: 4, rows: 4, slices: 3, spacing: [1, 1, 1] as [number, number, number] }
  const { files } = await writeSeries(t.testdir(), { ...grid, modality: 'CT', voxel: () => 1 })
  scp.objects = await scriptedObjects(files)
  scp.script = { retrieve: () => [{ status: 0xa702 }] }
  t.match(await check(url), { level: 'fault', message: /^c-get fails/, next: /allow .*"c-get"/ })
})

t.test(
  'a PACS with a certificate that is not the one we know, or a file that is not there, is a fault',
  async (t) => {
    const make = () => createServiceCertificate({ commonName: 'pacs', hosts: ['127.0.0.1'], days: 2 })
    const [pacs, other] = [await make(), await make()]
    const dir = t.testdir()
    const file = (name: string, pem: string): string => {
      writeFileSync(join(dir, name), pem, { mode: 0o600 })
      return join(dir, name)
    }
    const server = await serveDimse({
      ...{ host: '127.0.0.1', port: 0, ae: 'PACS', authorize: () => true, onStore: async () => 0 },
      tls: { ca: other.certificate, cert: pacs.certificate, key: pacs.key },
    })
    t.teardown(() => server.close())
    const url = `dicoms://PACS@127.0.0.1:${server.port}`
    const client = { certificate: file('c.pem', other.certificate), key: file('c.key', other.key) }
    const unknown = { tls: { ca: file('other.pem', other.certificate), ...client } }
    t.match(await check(url, unknown), { level: 'fault', next: /"ca" in "tls" of source "pacs"/ })
    t.match(await check(url, { tls: { ca: join(dir, 'nowhere') } }), { level: 'fault', message: /"tls"/ })
    t.match(await check(url), { level: 'fault', message: /"tls" goes with dicoms/, next: /site\.json/ })
  },
)
