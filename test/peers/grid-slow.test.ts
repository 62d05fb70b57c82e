import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { grant } from '@mdm/core/access/acl'
import { runMdm } from '../fixtures/grid.ts'
import { gridClients } from '../fixtures/peers/grid-clients.ts'
import { RADIOLOGIST, VO } from '../fixtures/peers/grid-pki.ts'
import { startOrthanc } from '../fixtures/peers/orthanc.ts'
import { startStorageGrid } from '../fixtures/peers/storage-grid.ts'
import { startSlowWire } from '../fixtures/slow-wire.ts'
import { addSeries, registerAll } from '../server/site-grid.ts'

/** One slice is a quarter of a second on the slow wire. */
const SHAPE = { columns: 64, rows: 64, slices: 56 }
const SECONDS = 30
const BYTES = SHAPE.columns * SHAPE.rows * SHAPE.slices * 2

t.test('gfal2 and ARC wait in the queue while a slow archive is read, once for both', async (t) => {
  const orthanc = await startOrthanc(t)
  if (orthanc === undefined) return t.pass('skipped: Orthanc is not installed here')
  const wire = await startSlowWire(t, orthanc.port)
  const source = { name: 'pacs', url: `dicom://${orthanc.ae}@127.0.0.1:${wire.port}`, pollSeconds: 0 }
  const grid = await startStorageGrid(t, { series: [], settings: { sources: [source] } })
  if (grid === undefined) return t.pass('skipped: the tools of a grid are not installed here')
  const clients = await gridClients(t, grid.pki)
  if (clients === undefined) return t.pass('skipped: the clients of a grid are not installed here')
  const { files } = await addSeries(grid.source, 'ct', SHAPE)
  await orthanc.upload(...files)

  const admin = await grid.as('admin')
  const [guid] = (await registerAll(admin)).flatMap((e) => (e.type === 'registered' ? [e.volume.guid] : []))
  await grant(admin, guid!, { to: { kind: 'fqan', fqan: RADIOLOGIST }, preset: 'process' })
  const physician = await grid.pki.issue('physician', 'Test Physician')
  const proxy = await grid.pki.proxy(physician, { fqans: [`/${VO}`, RADIOLOGIST] })
  const at = (name: string) => join(clients.folder, name)

  wire.bytesPerSecond = BYTES / SECONDS
  const before = wire.bytes
  const began = performance.now()
  const [gfal, arc] = await Promise.all([
    clients.run(proxy, 'gfal-copy', '-f', '-vv', grid.surl(guid!), `file://${at('gfal')}`),
    clients.run(proxy, 'arccp', '-d', 'VERBOSE', grid.surl(guid!), at('arc')),
  ])
  const seconds = (performance.now() - began) / 1_000
  t.equal(gfal.code, 0, gfal.stderr)
  t.equal(arc.code, 0, arc.stderr)
  t.ok(seconds > SECONDS - 2, `they waited for ${seconds.toFixed(0)} s`)
  t.ok(wire.bytes - before < 1.5 * BYTES, 'the archive was read once')

  wire.bytesPerSecond = undefined
  const config = await grid.configOf(proxy)
  const raw = await runMdm(['get', guid!, '--level', 'raw', '-o', at('raw')], { config })
  t.equal(raw.code, 0, raw.stderr)
  const digest = async (name: string) =>
    createHash('sha256')
      .update(await readFile(at(name)))
      .digest('hex')
  t.equal(await digest('gfal'), await digest('raw'))
  t.equal(await digest('arc'), await digest('raw'))
  t.ok((await stat(at('raw'))).size > BYTES)
})
