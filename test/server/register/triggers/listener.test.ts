import { X509Certificate } from 'node:crypto'
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import {
  createCa,
  createServiceCertificate,
  issueCertificate,
} from '../../../../packages/core/src/identity/ca.ts'
import { pusherOf } from '../../../../packages/server/src/register/triggers/listener.ts'
import { freePort } from '../../../fixtures/peers/peer.ts'
import { addSeries, type SiteGrid } from '../../site-grid.ts'
import { siteRows } from '../invariants.ts'
import { configure, startLiveGrid, untilVolumes, until } from './live-grid.ts'
import { objectOf, openPush, push } from './push.ts'

const PUSHES = { ae: 'PACS', addresses: ['127.0.0.1'] }

/** A site that is told of new series by the listener alone. */
async function start(
  t: Test,
  o: { pushes?: object; dicom?: object; source?: object; files?: Record<string, string> } = {},
) {
  const port = await freePort()
  const grid = await startLiveGrid(t, { started: false })
  const dir = dirname(grid.provisioned.site.config)
  for (const [name, text] of Object.entries(o.files ?? {}))
    await writeFile(join(dir, name), text, { mode: 0o600 })
  await configure(
    grid,
    { pollSeconds: 0, pushes: o.pushes ?? PUSHES, ...o.source },
    { dicom: { host: '127.0.0.1', port, ae: 'MDM', ...o.dicom } },
  )
  await grid.startSite()
  return { grid, port }
}

async function refusals(grid: SiteGrid): Promise<Record<string, unknown>[]> {
  const { config } = grid.provisioned.site
  const { audit } = JSON.parse(await readFile(config, 'utf8')) as { audit: string }
  const lines = (await readFile(join(dirname(config), audit), 'utf8')).trim().split('\n')
  return lines.map((line) => JSON.parse(line)).filter(({ event }) => event === 'association-refused')
}

t.test(
  'what the sender of a source stores is registered from the source, each object answered when durable',
  async (t) => {
    const { grid, port } = await start(t)
    const { files } = await addSeries(grid.source, 'ct', { slices: 8 })
    const association = await openPush(port)
    for (const [i, file] of files.entries()) {
      t.equal(await association.store(await objectOf(file)), 0)
      if (i === 0)
        t.equal(siteRows(grid, 'select * from notices').length, 1, 'on the disk when it is answered')
    }
    await association.release()
    const admin = await grid.as('admin')
    await untilVolumes(admin, 1)
    t.equal(siteRows(grid, 'select slice_index from slices').length, 8)
    await until(async () => siteRows(grid, 'select * from notices').length === 0)
    t.same(await refusals(grid), [])
  },
)

t.test(
  'what is pushed is a hint: the source decides which slices there are, or that there are none',
  async (t) => {
    const { grid, port } = await start(t, { source: { quietSeconds: 0.3 } })
    const there = await addSeries(grid.dir, 'there', { slices: 6 })
    for (const [i, file] of there.files.slice(0, 4).entries())
      await copyFile(file, join(grid.source, `${i}.dcm`))
    const elsewhere = await addSeries(grid.dir, 'elsewhere')
    t.same(await push(port, [...there.files, ...elsewhere.files]), Array(10).fill(0))
    await untilVolumes(await grid.as('admin'), 1)
    t.equal(siteRows(grid, 'select slice_index from slices').length, 4)
    await until(async () => siteRows(grid, 'select * from quarantine').length === 1)
    t.match(siteRows(grid, 'select code, series from quarantine'), [
      { code: 'MDM_SOURCE_INCOMPLETE', series: elsewhere.series },
    ])
  },
)

t.test('an object that does not say its series is refused, and the next one is taken', async (t) => {
  const { grid, port } = await start(t)
  const { files } = await addSeries(grid.source, 'ct', { slices: 1 })
  const association = await openPush(port)
  const object = await objectOf(files[0]!)
  t.equal(await association.store({ ...object, chunks: [Buffer.from('no data set at all')] }), 0xc000)
  t.equal(await association.store(object), 0)
  await association.release()
  t.equal(siteRows(grid, 'select * from notices').length, 1)
})

t.test(
  'another address, another AE title or another called title changes nothing and is audited',
  async (t) => {
    const { grid, port } = await start(t)
    const { files } = await addSeries(grid.source, 'ct')
    for (const who of [{ callingAe: 'OTHER' }, { calledAe: 'OTHER' }, { callingAe: 'pacs' }])
      await t.rejects(push(port, files, who), { code: 'MDM_SOURCE_REFUSED', details: { dimse: 'rejected' } })
    await until(async () => (await refusals(grid)).length === 2)
    t.match(await refusals(grid), [
      { outcome: 'refused', code: 'MDM_DENIED', facts: { check: 'calling-ae' } },
      { outcome: 'refused', code: 'MDM_DENIED', facts: { check: 'association' } },
    ])
    await grid.stopSite()
    await configure(grid, { pushes: { ae: 'PACS', addresses: ['127.0.0.9', '::1'] } })
    await grid.startSite()
    await t.rejects(push(port, files), { code: 'MDM_SOURCE_REFUSED', details: { dimse: 'rejected' } })
    await until(async () => (await refusals(grid)).length === 3)
    t.match((await refusals(grid))[2], { code: 'MDM_DENIED', facts: { check: 'address' } })
    t.same(siteRows(grid, 'select * from notices'), [])
    t.notMatch(JSON.stringify(await refusals(grid)), /OTHER|127\.0\.0/, 'strangers are not named')
  },
)

t.test('over TLS only a sender with a certificate that is known is heard', async (t) => {
  const ca = await createCa({ dn: 'CN=Hospital CA', days: 2 })
  const stranger = await createCa({ dn: 'CN=Hospital CA', days: 2 })
  const issue = (by: typeof ca, cn: string) =>
    issueCertificate({ ca: by, dn: `CN=${cn}`, days: 1, usage: 'client' })
  const [server, pacs, other, forged] = await Promise.all([
    createServiceCertificate({ commonName: 'site', hosts: ['localhost'], days: 2 }),
    issue(ca, 'pacs'),
    issue(ca, 'workstation'),
    issue(stranger, 'pacs'),
  ])
  const fingerprint = new X509Certificate(pacs.certificate).fingerprint256.replaceAll(':', '').toLowerCase()
  const { grid, port } = await start(t, {
    pushes: { ...PUSHES, certificates: [fingerprint] },
    dicom: { tls: { ca: 'd-ca.pem', certificate: 'd.pem', key: 'd.key' } },
    files: { 'd-ca.pem': ca.certificate, 'd.pem': server.certificate, 'd.key': server.key },
  })
  const { files } = await addSeries(grid.source, 'ct')
  const tls = (shown?: { certificate: string; key: string }) => ({
    tls: {
      ...{ ca: server.certificate, servername: 'localhost' },
      ...(shown && { cert: shown.certificate, key: shown.key }),
    },
  })
  await t.rejects(push(port, files), 'without TLS')
  await t.rejects(push(port, files, tls()), 'without a certificate')
  await t.rejects(push(port, files, tls(forged)), 'with one of another CA')
  await t.rejects(
    push(port, files, tls(other)),
    { code: 'MDM_SOURCE_REFUSED' },
    'with that of another machine',
  )
  await until(async () => (await refusals(grid)).length > 0)
  for (const refusal of await refusals(grid))
    t.match(refusal, { code: 'MDM_UNAUTHENTICATED', facts: { check: 'certificate' } })
  t.same(siteRows(grid, 'select * from notices'), [])
  t.same(await push(port, files, tls(pacs)), Array(4).fill(0))
  t.equal(siteRows(grid, 'select * from notices').length, 1)
})

t.test('exactly one source must be meant', (t) => {
  const from = (peerAddress: string, calling = 'PACS', tlsPeer?: string) => ({
    peerAddress,
    calling,
    tlsPeer,
  })
  const a = { source: 'a', ae: 'PACS', addresses: ['192.0.2.1', '2001:db8::1'] }
  const b = { source: 'b', ae: 'PACS', addresses: ['192.0.2.2'] }
  t.same(pusherOf([a, b], from('192.0.2.2')), { source: 'b' })
  t.same(pusherOf([a, b], from('::ffff:192.0.2.1')), { source: 'a' }, 'the same address in IPv6')
  t.same(pusherOf([a, b], from('2001:DB8:0::0:1')), { source: 'a' }, 'however it is spelt')
  t.same(pusherOf([a, { ...b, addresses: a.addresses }], from('192.0.2.1')), { unknown: 'ambiguous' })
  t.same(pusherOf([a, b], from('192.0.2.3')), { unknown: 'address' })
  t.same(pusherOf([], from('192.0.2.1')), { unknown: 'address' })
  t.same(pusherOf([{ ...a, certificates: ['f'] }], from('192.0.2.1')), { unknown: 'certificate' })
  t.end()
})
