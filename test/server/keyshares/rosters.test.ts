import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { spkiDigest, spkiOf } from '@mdm/core/crypto/spki'
import { Peer } from '@mdm/core/grid/http'
import { createServiceCertificate } from '@mdm/core/identity/ca'
import { openRoster, rosterFingerprint, signRoster, vouchTls, type Roster } from '@mdm/core/identity/roster'
import { newGuid } from '@mdm/core/names'
import { getHealth, getRosters, getWhoami, postRoster } from '@mdm/core/wire/common'
import { getShares } from '@mdm/core/wire/key-server'
import { trustRoster } from '../../../packages/server/src/keys.ts'
import { auditOf, makeGrid, makeVolume, peerOf, principalOf, put, startServer, type Signer } from './grid.ts'

const dir = t.testdir()
const grid = await makeGrid(join(dir, 'grid'))
const folder = grid.made.keyServers[0]!.dir
const strange = generateKeyPairSync('ed25519').privateKey

/** The roster after another, changed as told. */
async function next(
  jws: string,
  change: (body: Roster) => Partial<Roster>,
  signer: Signer = grid.signer,
): Promise<string> {
  const { body, digest } = await openRoster(jws)
  return await signRoster(
    { ...body, seq: body.seq + 1, prev: digest, created: new Date().toISOString(), ...change(body) },
    signer,
  )
}

t.test(
  'a key server with renewed TLS keys goes on serving old GUIDs to who holds the new roster',
  async (t) => {
    const first = await startServer(t, grid)
    const volume = await makeVolume(grid)
    await put(peerOf(t, grid, grid.service), volume)
    const renewed = await createServiceCertificate({ commonName: 'renewed', hosts: ['127.0.0.1'], days: 30 })
    const spki = spkiOf(new X509Certificate(renewed.certificate).publicKey)
    const identity = createPrivateKey(readFileSync(join(folder, 'identity.key')))
    const roster = await next(grid.roster.jws, ({ keyServers: [server, ...others] }) => ({
      keyServers: [
        { ...server!, tls: [...server!.tls, { spki, voucher: vouchTls(identity, spki) }] },
        ...others,
      ],
    }))
    t.strictSame(await peerOf(t, grid, grid.service).call(postRoster, { body: { roster } }), { seq: 2 })
    await first.stop()
    writeFileSync(join(folder, 'tls.pem'), renewed.certificate)
    writeFileSync(join(folder, 'tls.key'), renewed.key)
    const second = await startServer(t, grid)
    t.equal(second.id, first.id)
    const old = peerOf(t, grid, grid.users.physician!)
    await t.rejects(
      old.call(getShares, { params: volume }),
      { code: 'MDM_PEER' },
      'the old roster does not know the new key',
    )
    const pins = (await openRoster(roster))
      .keyServer(first.id)
      .tls.map((k) => spkiDigest(Buffer.from(k.spki, 'base64')))
    const peer = new Peer({ url: second.url, pins, credential: grid.users.physician! })
    t.teardown(() => peer.close())
    const { releases } = await peer.call(getShares, { params: volume })
    t.equal(releases[0]?.manifest, volume.manifest)
    const { rosters } = await peer.call(getRosters, { params: { site: grid.site }, query: { since: 2 } })
    t.strictSame(rosters, [roster])
    t.match(
      auditOf(grid).filter((line) => line.event === 'roster-accepted'),
      [{ site: 'demo', facts: { seq: 2 } }],
    )
  },
)

t.test('a roster that does not follow, is signed by a stranger or adds authority is refused', async (t) => {
  const server = await startServer(t, grid)
  const current = readFileSync(join(folder, 'rosters', 'demo.2.jws'), 'utf8').trim()
  const pins = (await openRoster(current))
    .keyServer(server.id)
    .tls.map((k) => spkiDigest(Buffer.from(k.spki, 'base64')))
  const service = new Peer({ url: server.url, pins, credential: grid.service })
  t.teardown(() => service.close())
  const post = (roster: string) => service.call(postRoster, { body: { roster } })
  const stranger: Signer = { kid: spkiDigest(strange), key: strange }
  const own = { kid: stranger.kid, spki: spkiOf(strange) }
  const { dn, issuer, spki } = grid.users.stranger!.identity
  const bad = {
    'a gap': await next(await next(current, () => ({})), () => ({})),
    'another past': await next(grid.roster.jws, () => ({ api: 'https://elsewhere.example' })),
    'another signer': await next(current, () => ({ signingKeys: [own] }), stranger),
    'a new signing key': await next(current, (body) => ({ signingKeys: [...body.signingKeys, own] })),
    'a new administrator': await next(current, (body) => ({
      administrators: [...body.administrators, { dn, issuer, spki }],
    })),
  }
  for (const [how, roster] of Object.entries(bad)) await t.rejects(post(roster), { code: 'MDM_ROSTER' }, how)
  t.strictSame(await post(current), { seq: 2 }, 'the one in force again is fine')
  t.strictSame((await service.call(getRosters, { params: { site: grid.site }, query: {} })).rosters.length, 2)

  const appointing = bad['a new administrator']
  const file = join(dir, 'roster-3.jws')
  writeFileSync(file, appointing)
  const { config } = grid.made.keyServers[0]!
  await t.rejects(trustRoster(config, file, rosterFingerprint(current)), { code: 'MDM_ROSTER' })
  t.equal((await trustRoster(config, file, rosterFingerprint(appointing).toUpperCase())).body.seq, 3)
  await wait(1100)
  t.strictSame(await service.call(getRosters, { params: { site: grid.site }, query: { since: 3 } }), {
    rosters: [appointing],
  })
  t.match(auditOf(grid).at(-1), { event: 'roster-in-force', facts: { seq: 3 } })
})

t.test('rosters of a site are for who is known there, and a first one is for the operator', async (t) => {
  await startServer(t, grid, 1)
  const stranger = peerOf(t, grid, grid.users.stranger!, 1)
  t.equal((await stranger.call(getRosters, { params: { site: grid.site }, query: {} })).rosters.length, 1)
  await t.rejects(stranger.call(getRosters, { params: { site: 'nowhere' }, query: {} }), {
    code: 'MDM_NOT_FOUND',
  })
  const own = generateKeyPairSync('ed25519').privateKey
  const kid = spkiDigest(own)
  const { body } = grid.roster
  const first = await signRoster(
    { ...body, site: 'intruder', signingKeys: [{ kid, spki: spkiOf(own) }] },
    { kid, key: own },
  )
  await t.rejects(stranger.call(postRoster, { body: { roster: first } }), { code: 'MDM_NOT_FOUND' })
})

t.test('a ban of the operator counts within a second, on open connections too', async (t) => {
  const server = await startServer(t, grid, 2)
  const physician = peerOf(t, grid, grid.users.physician!, 2)
  t.match(await physician.call(getWhoami), { kind: 'user' })
  const bans = join(grid.made.keyServers[2]!.dir, 'bans.json')
  writeFileSync(bans, JSON.stringify([principalOf(grid.users.physician!)]))
  await wait(1100)
  await t.rejects(physician.call(getWhoami), { code: 'MDM_BANNED' })
  await t.rejects(physician.call(getShares, { params: { guid: newGuid() } }), { code: 'MDM_BANNED' })
  const admin = peerOf(t, grid, grid.users.admin!, 2)
  writeFileSync(bans, 'not JSON')
  await wait(1100)
  await t.rejects(
    physician.call(getWhoami),
    { code: 'MDM_BANNED' },
    'a list that cannot be read leaves the last one in force',
  )
  t.match(await admin.call(getHealth), { status: 'not ready', reasons: ['ban-list-unreadable'] })
  await server.stop()
  await t.rejects(
    startServer(t, grid, 2),
    { code: 'MDM_CONFIG' },
    'and a server does not start without its bans',
  )
})
