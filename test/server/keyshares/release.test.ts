import { renameSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { checkShare, verifyManifest } from '@mdm/core/crypto/manifest'
import { newGuid, newKid } from '@mdm/core/names'
import { getShares } from '@mdm/core/wire/key-server'
import { auditOf, makeGrid, makeVolume, peerOf, put, reader, startServer } from './grid.ts'

const grid = await makeGrid(t.testdir())
const server = await startServer(t, grid)
const service = peerOf(t, grid, grid.service)
const peers = Object.fromEntries(
  Object.entries(grid.users).map(([name, credential]) => [name, peerOf(t, grid, credential)]),
)
const ask = (name: string, guid: string, kid?: string) =>
  peers[name]!.call(getShares, { params: { guid }, query: { kid } })

t.test(
  'a reader gets the share that fits the manifest, and the release was written down before',
  async (t) => {
    const volume = await makeVolume(grid)
    await put(service, volume)
    const { releases } = await ask('physician', volume.guid)
    const [release] = releases
    t.equal(releases.length, 1)
    const manifest = await verifyManifest(release!.manifest, [grid.signer], {
      guid: volume.guid,
      kid: volume.kid,
    })
    checkShare(manifest, server.id, Buffer.from(release!.share, 'base64'))
    t.match(
      auditOf(grid).filter((line) => line.guid === volume.guid),
      [
        {
          event: 'share-stored',
          outcome: 'done',
          caller: { spki: grid.service.identity.spki },
          kid: volume.kid,
        },
        {
          event: 'shares-released',
          caller: { dn: grid.users.physician!.identity.dn },
          facts: { to: 'user', kids: volume.kid },
        },
      ],
    )
    t.notMatch(JSON.stringify(auditOf(grid)), release!.share)
  },
)

t.test('the site reads the key of its volume to encrypt it', async (t) => {
  const volume = await makeVolume(grid)
  await put(service, volume)
  const { releases } = await service.call(getShares, { params: { guid: volume.guid } })
  t.equal(releases[0]?.kid, volume.kid)
})

t.test('an administrator of the list has no right to read by that', async (t) => {
  const volume = await makeVolume(grid)
  await put(service, volume)
  await t.rejects(ask('admin', volume.guid), { code: 'MDM_NOT_FOUND' })
})

t.test('a reader of version 1 gets its key only, and a kid narrows the answer', async (t) => {
  const first = await makeVolume(grid, {
    entries: [reader(grid.users.physician!, [1]), reader(grid.users.scientist!)],
  })
  const second = await makeVolume(grid, { guid: first.guid, version: 2, founding: first.founding })
  await put(service, first)
  await put(service, second)
  const kids = async (name: string, kid?: string) =>
    (await ask(name, first.guid, kid)).releases.map((r) => r.kid)
  t.strictSame(await kids('physician'), [first.kid])
  t.strictSame(await kids('scientist'), [second.kid, first.kid])
  t.strictSame(await kids('scientist', first.kid), [first.kid])
  await t.rejects(kids('physician', second.kid), { code: 'MDM_NOT_FOUND' })
  await t.rejects(kids('physician', newKid()), { code: 'MDM_NOT_FOUND' })
})

t.test('a grant that has expired gives nothing', async (t) => {
  const entry = { ...reader(grid.users.physician!), expires: new Date(Date.now() - 1000).toISOString() }
  const volume = await makeVolume(grid, { entries: [entry] })
  await put(service, volume)
  await t.rejects(ask('physician', volume.guid), { code: 'MDM_NOT_FOUND' })
})

t.test('nothing is released while it cannot be written down, and again when it can', async (t) => {
  const volume = await makeVolume(grid)
  await put(service, volume)
  const log = join(grid.made.keyServers[0]!.dir, 'audit.jsonl')
  renameSync(log, `${log}.away`)
  await t.rejects(ask('physician', volume.guid), { code: 'MDM_AUDIT' })
  const lost = await makeVolume(grid)
  await t.rejects(put(service, lost), { code: 'MDM_AUDIT' })
  renameSync(`${log}.away`, log)
  t.equal((await ask('physician', volume.guid)).releases.length, 1)
  await t.rejects(
    ask('physician', lost.guid),
    { code: 'MDM_NOT_FOUND' },
    'what was not written down is not stored',
  )
  await put(service, lost)
  t.equal((await ask('physician', lost.guid)).releases.length, 1)
})

t.test('refusals of a caller: the first of a minute is written down, the others are counted', async (t) => {
  const volume = await makeVolume(grid)
  await put(service, volume)
  const refused = () =>
    auditOf(grid).filter((l) => l.outcome === 'refused' && l.caller?.dn === grid.users.backup!.identity.dn)
  for (const guid of [volume.guid, newGuid(), newGuid()])
    await t.rejects(ask('backup', guid), { code: 'MDM_NOT_FOUND' })
  t.match(refused(), [{ event: 'request-refused', code: 'MDM_NOT_FOUND', guid: volume.guid }])
  t.equal(refused().length, 1)
})
