import { createPrivateKey } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { spkiDigest, spkiOf } from '@mdm/core/crypto/spki'
import { loadCredential } from '@mdm/core/identity/credential'
import { openRoster, rosterFingerprint, signRoster } from '@mdm/core/identity/roster'
import { SiteId } from '@mdm/core/names'
import { getShares } from '@mdm/core/wire/key-server'
import { trustRoster } from '../../../packages/server/src/keys.ts'
import { provisionSite } from '../../../packages/server/src/provision/site.ts'
import { makeGrid, makeVolume, peerOf, principalOf, put, reader, startServer, type Signer } from './grid.ts'

const dir = t.testdir()
const grid = await makeGrid(join(dir, 'demo'))
const { administrators, userCas, keyServers } = grid.roster.body
const otherSite = SiteId.parse('other')
const other = await provisionSite(join(dir, 'other'), {
  ...{ site: otherSite, host: '127.0.0.1', port: 1, srm: { port: 2 }, userCas, administrators, keyServers },
  threshold: 2,
})
const otherKey = createPrivateKey(readFileSync(join(other.dir, 'signing.key')))
const otherSigner: Signer = { kid: spkiDigest(otherKey), key: otherKey }
const { physician, scientist } = grid.users

/** The operator of server 0 trusts a roster by its fingerprint. */
async function trust(jws: string): Promise<void> {
  const file = join(dir, 'roster.jws')
  writeFileSync(file, jws)
  await trustRoster(grid.made.keyServers[0]!.config, file, rosterFingerprint(jws))
}

/** The next roster of a site, that calls a user's key one of its services: nobody else has to agree to that. */
async function callsService(jws: string, signer: Signer, user = physician!): Promise<string> {
  const { body, digest } = await openRoster(jws)
  const services = [...body.services, { spki: spkiOf(createPrivateKey(user.key)) }]
  return await signRoster({ ...body, seq: 2, prev: digest, services }, signer)
}

t.test('no site frees a user of another from the ban of the operator', async (t) => {
  await trust(other.roster.trim())
  // Whichever roster the server asks first, it calls one of the two a service.
  await trust(await callsService(other.roster.trim(), otherSigner, physician))
  await trust(await callsService(grid.roster.jws, grid.signer, scientist))
  const bans = join(grid.made.keyServers[0]!.dir, 'bans.json')
  writeFileSync(bans, JSON.stringify([principalOf(physician!), principalOf(scientist!)]))
  await startServer(t, grid)
  const ours = await makeVolume(grid, { entries: [reader(physician!)] })
  await put(peerOf(t, grid, grid.service), ours)
  const entries = [reader(scientist!)]
  const theirs = await makeVolume(grid, { site: otherSite, signer: otherSigner, entries })
  const service = { certificate: join(other.dir, 'tls.pem'), key: join(other.dir, 'tls.key') }
  await put(peerOf(t, grid, await loadCredential(service)), theirs)
  for (const [user, { guid }] of [
    [physician!, ours],
    [scientist!, theirs],
  ] as const) {
    await t.rejects(peerOf(t, grid, user).call(getShares, { params: { guid } }), {
      code: /^MDM_(BANNED|NOT_FOUND)$/,
    })
  }
})
