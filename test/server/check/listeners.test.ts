import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import t from 'tap'
import { checkListeners } from '../../../packages/server/src/check/listeners.ts'
import { SourceConfig } from '../../../packages/server/src/dicom/source-config.ts'

const dicom = (port: number, host = '127.0.0.1') => ({ host, port, ae: 'MDM' })

t.test('a port of the listeners is free, taken by the site itself, or by another program', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const look = (runs: boolean) => checkListeners({ dicom: dicom(port), sources: [] }, { runs })
  t.match(await look(false), [{ name: 'listener', level: 'fault', next: /^ss / }])
  t.match(await look(true), [{ level: 'ok' }])
  server.close()
  await once(server, 'close')
  t.match(await look(false), [{ level: 'ok' }])
  t.match(await look(true), [{ level: 'fault', next: /restart/ }])
  const hooks = { host: '127.0.0.1', port, secretFile: 'hook.secret' }
  t.match(await checkListeners({ hooks, sources: [] }, { runs: false }), [{ level: 'ok' }])
  const srm = { listen: { host: '127.0.0.1', port } }
  t.match(await checkListeners({ srm, sources: [] }, { runs: true }), [{ level: 'fault', next: /restart/ }])
  const elsewhere = { dicom: dicom(port, '192.0.2.1'), sources: [] }
  t.match(await checkListeners(elsewhere, { runs: false }), [{ level: 'fault', message: /no address/ }])
})

t.test('a sender without a listener, or of two sources, is named', async (t) => {
  const source = (name: string, ae: string, ...addresses: string[]) =>
    SourceConfig.parse({ name, url: 'dicom://PACS@192.0.2.1:104', pushes: { ae, addresses } })
  const a = source('a', 'PACS', '192.0.2.1', '192.0.2.2')
  const look = (...sources: SourceConfig[]) => checkListeners({ dicom: dicom(0), sources }, { runs: false })
  t.match(await checkListeners({ sources: [a] }, { runs: false }), [{ name: 'pushes', level: 'warn' }])
  t.match(await look(a, source('b', 'OTHER', '192.0.2.1'), source('c', 'PACS', '192.0.2.3')), { length: 1 })
  const found = await look(a, source('b', 'PACS', '192.0.2.2'))
  t.match(found.slice(1), [
    { name: 'pushes', level: 'fault', subject: 'a' },
    { name: 'pushes', level: 'fault', subject: 'b' },
  ])
})
