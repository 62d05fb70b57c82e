import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { signFounding } from '@mdm/core/acl/statement'
import { spkiDigest } from '@mdm/core/crypto/spki'
import { loadCredential } from '@mdm/core/identity/credential'
import { newGuid, SiteId, type Guid, type KeyServerId } from '@mdm/core/names'
import { deleteShares, getShares } from '@mdm/core/wire/key-server'
import { trustRoster } from '../../../packages/server/src/keys.ts'
import { provisionSite } from '../../../packages/server/src/provision/site.ts'
import {
  auditOf,
  makeGrid,
  makeVolume,
  peerOf,
  put,
  reader,
  startServer,
  storedBytes,
  type Signer,
} from './grid.ts'

const dir = t.testdir()
const grid = await makeGrid(join(dir, 'demo'))
// A second hospital, which the same key servers trust.
const { administrators, userCas, keyServers } = grid.roster.body
const otherSite = SiteId.parse('other')
const other = await provisionSite(join(dir, 'other'), {
  site: otherSite,
  host: '127.0.0.1',
  port: 1,
  srm: { port: 2 },
  userCas,
  administrators,
  keyServers,
  threshold: 2,
})
const rosterFile = join(dir, 'other.jws')
writeFileSync(rosterFile, other.roster)
await trustRoster(grid.made.keyServers[0]!.config, rosterFile, other.fingerprint)
const load = (name: string) => ({
  certificate: join(other.dir, `${name}.pem`),
  key: join(other.dir, `${name}.key`),
})
const otherKey = createPrivateKey(readFileSync(join(other.dir, 'signing.key')))
const otherSigner: Signer = { kid: spkiDigest(otherKey), key: otherKey }
const strangeKey = generateKeyPairSync('ed25519').privateKey
const strangeSigner: Signer = { kid: spkiDigest(strangeKey), key: strangeKey }

await startServer(t, grid)
const service = peerOf(t, grid, grid.service)
const otherService = peerOf(t, grid, await loadCredential(load('tls')))
const physician = peerOf(t, grid, grid.users.physician!)
const released = async (guid: string) => (await physician.call(getShares, { params: { guid } })).releases
const foundingOf = (guid: Guid, signer: Signer, site = grid.site) =>
  signFounding({
    site,
    guid,
    object: 'key',
    entries: [reader(grid.users.stranger!)],
    signer,
    now: new Date(),
  })

t.test('the same share again changes nothing and is written down once', async (t) => {
  const volume = await makeVolume(grid)
  await put(service, volume)
  await put(service, volume)
  t.equal((await released(volume.guid)).length, 1)
  t.equal(
    auditOf(grid).filter((line) => line.event === 'share-stored' && line.guid === volume.guid).length,
    1,
  )
})

t.test('what is stored again after it was deleted is written down again', async (t) => {
  const volume = await makeVolume(grid)
  for (let i = 0; i < 2; i++) {
    await put(service, volume)
    t.same(await service.call(deleteShares, { params: volume }), { deleted: 1 })
  }
  await put(service, volume)
  const events = auditOf(grid).filter((line) => line.guid === volume.guid)
  const [stored, deleted] = ['share-stored', 'shares-deleted']
  t.strictSame(
    events.map(({ event }) => event),
    [stored, deleted, stored, deleted, stored],
  )
})

t.test('only the service of the site stores a share', async (t) => {
  const volume = await makeVolume(grid)
  for (const peer of [physician, peerOf(t, grid, grid.users.admin!), otherService]) {
    await t.rejects(put(peer, volume), { code: 'MDM_NOT_FOUND' })
  }
  await put(service, volume)
})

t.test('a manifest that another key signed, or another site, is refused', async (t) => {
  for (const signer of [strangeSigner, { ...strangeSigner, kid: grid.signer.kid }, otherSigner]) {
    await t.rejects(put(service, await makeVolume(grid, { signer })), { code: 'MDM_MANIFEST' })
  }
  const volume = await makeVolume(grid, { signer: otherSigner, site: otherSite })
  await t.rejects(
    put(service, volume),
    { code: 'MDM_NOT_FOUND' },
    'our service with a manifest of the other site',
  )
  const lying = await makeVolume(grid, { signer: otherSigner })
  await t.rejects(put(otherService, lying), { code: 'MDM_NOT_FOUND' }, 'the other site speaking for ours')
})

t.test('a manifest that says something else than the request is refused', async (t) => {
  const volume = await makeVolume(grid)
  const another = await makeVolume(grid)
  await t.rejects(put(service, { ...volume, manifest: another.manifest }), { code: 'MDM_MANIFEST' })
  await t.rejects(put(service, { ...volume, guid: newGuid() }), { code: 'MDM_MANIFEST' })
  await t.rejects(put(service, { ...volume, kid: another.kid }), { code: 'MDM_MANIFEST' })
  await t.rejects(put(service, { ...volume, epoch: 2 }), { code: 'MDM_MANIFEST' })
  const strangers = [1, 2, 3].map((i) => String(i).repeat(64)) as KeyServerId[]
  await t.rejects(put(service, await makeVolume(grid, { servers: strangers })), {
    code: 'MDM_BAD_SHARE',
    details: { fault: 'server' },
  })
})

t.test('a share that is not the one made for this server is refused', async (t) => {
  const volume = await makeVolume(grid)
  const another = await makeVolume(grid)
  const zero = Buffer.from(volume.shares[0]!)
  zero[43] = 0
  const flipped = Buffer.from(volume.shares[0]!)
  flipped[100]! ^= 1
  for (const share of [volume.shares[1]!, another.shares[0]!, zero, flipped]) {
    await t.rejects(put(service, volume, { share }), { code: 'MDM_BAD_SHARE' })
  }
  await t.rejects(released(volume.guid), { code: 'MDM_NOT_FOUND' })
})

t.test(
  'a founding statement must be of the site, the GUID and the key, and signed by the site',
  async (t) => {
    const volume = await makeVolume(grid)
    const admin = grid.users.admin!
    const bad = [
      await foundingOf(volume.guid, strangeSigner),
      await foundingOf(newGuid(), grid.signer),
      await foundingOf(volume.guid, otherSigner, otherSite),
      await foundingOf(volume.guid, { kid: admin.identity.spki, key: admin.privateKey }),
      await signFounding({
        site: grid.site,
        guid: volume.guid,
        object: 'file',
        entries: [],
        signer: grid.signer,
        now: new Date(),
      }),
    ]
    for (const founding of bad)
      await t.rejects(put(service, { ...volume, founding }), { code: 'MDM_STATEMENT' })
    await put(service, volume)
  },
)

t.test('a GUID is founded once: another founding is refused and each attempt is written down', async (t) => {
  const volume = await makeVolume(grid)
  await put(service, volume)
  const fork = await foundingOf(volume.guid, grid.signer)
  const forked = await makeVolume(grid, { guid: volume.guid, founding: fork })
  await t.rejects(put(service, forked), { code: 'MDM_STATEMENT_FORKED' })
  await t.rejects(put(service, { ...volume, founding: fork }), { code: 'MDM_STATEMENT_FORKED' })
  const squatter = await makeVolume(grid, {
    guid: volume.guid,
    signer: otherSigner,
    site: otherSite,
    entries: [reader(grid.users.stranger!)],
  })
  await t.rejects(put(otherService, squatter), { code: 'MDM_STATEMENT_FORKED' })
  const written = auditOf(grid).filter(
    (line) => line.guid === volume.guid && line.code === 'MDM_STATEMENT_FORKED',
  )
  t.equal(written.length, 3)
  await t.rejects(peerOf(t, grid, grid.users.stranger!).call(getShares, { params: { guid: volume.guid } }), {
    code: 'MDM_NOT_FOUND',
  })
})

t.test('also after its shares were deleted a GUID keeps its founding', async (t) => {
  const volume = await makeVolume(grid)
  await put(service, volume)
  t.strictSame(await service.call(deleteShares, { params: volume }), { deleted: 1 })
  const forked = await makeVolume(grid, {
    guid: volume.guid,
    founding: await foundingOf(volume.guid, grid.signer),
  })
  await t.rejects(put(service, forked), { code: 'MDM_STATEMENT_FORKED' })
})

t.test('epochs of a key are never mixed: a newer one is kept beside, an older one refused', async (t) => {
  const first = await makeVolume(grid)
  await put(service, first)
  const resplit = { guid: first.guid, kid: first.kid, founding: first.founding, fileKey: first.fileKey }
  const second = await makeVolume(grid, { ...resplit, epoch: 3 })
  await put(service, second)
  t.strictSame(
    (await released(first.guid)).map((r) => [r.epoch, r.manifest]),
    [
      [3, second.manifest],
      [1, first.manifest],
    ],
  )
  await t.rejects(put(service, await makeVolume(grid, { ...resplit, epoch: 2 })), { code: 'MDM_CONFLICT' })
  await t.rejects(put(service, await makeVolume(grid, { ...resplit, epoch: 3 })), { code: 'MDM_CONFLICT' })
  await t.rejects(put(service, await makeVolume(grid, { ...resplit, epoch: 4, version: 2 })), {
    code: 'MDM_CONFLICT',
  })
  await put(service, first)
})

t.test(
  'a registration is undone by the site until a reader has the key, and then by an administrator only',
  async (t) => {
    const admin = peerOf(t, grid, grid.users.admin!)
    const unused = await makeVolume(grid)
    await put(service, unused)
    await service.call(getShares, { params: unused })
    t.strictSame(await otherService.call(deleteShares, { params: unused }), { deleted: 0 })
    t.strictSame(await service.call(deleteShares, { params: unused }), { deleted: 1 })
    t.strictSame(await service.call(deleteShares, { params: unused }), { deleted: 0 }, 'a repeat is no error')
    const used = await makeVolume(grid)
    await put(service, used)
    await released(used.guid)
    await t.rejects(service.call(deleteShares, { params: used }), { code: 'MDM_DENIED' })
    await t.rejects(physician.call(deleteShares, { params: used }), { code: 'MDM_NOT_FOUND' })
    t.equal((await released(used.guid)).length, 1)
    t.strictSame(await admin.call(deleteShares, { params: used }), { deleted: 1 })
    await t.rejects(released(used.guid), { code: 'MDM_NOT_FOUND' })
    t.match(
      auditOf(grid).filter((line) => line.event === 'shares-deleted' && line.guid === used.guid),
      [{ caller: { dn: grid.users.admin!.identity.dn } }],
    )
  },
)

t.test('no share lies in the store as it came', async (t) => {
  const volume = await makeVolume(grid)
  await put(service, volume)
  const [id, payload] = [Buffer.from(volume.guid), volume.shares[0]!.subarray(44)]
  const stored = storedBytes(grid)
  t.ok(stored.includes(id), 'the row is there')
  t.notOk(stored.includes(payload))
  t.notOk(stored.includes(payload.toString('base64').slice(4, 40)))
})
