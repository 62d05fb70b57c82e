import { copyFileSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createPrivateKey } from 'node:crypto'
import { join } from 'node:path'
import t from 'tap'
import { openRoster, rosterFingerprint, signRoster } from '@mdm/core/identity/roster'
import { provisionGrid } from '../../../packages/server/src/provision/grid.ts'
import { openRosters } from '../../../packages/server/src/store/rosters.ts'

const dir = t.testdir()
const grid = await provisionGrid(join(dir, 'grid'), { site: 'demo', keyServers: 3, threshold: 2 })
const first = readFileSync(join(grid.dir, 'ca', 'demo.roster.jws'), 'utf8').trim()
const { body, digest, signers } = await openRoster(first)
const signer = {
  kid: signers[0]!.kid,
  key: createPrivateKey(readFileSync(join(grid.site.dir, 'signing.key'))),
}
const second = await signRoster({ ...body, seq: 2, prev: digest }, signer)
const fork = await signRoster({ ...body, seq: 2, prev: digest, api: 'https://elsewhere.example' }, signer)

t.test('a first roster is kept only with its fingerprint, a later one if it follows', async (t) => {
  const folder = join(t.testdir(), 'rosters')
  const rosters = await openRosters(folder)
  t.equal(statSync(folder).mode & 0o777, 0o700)
  await t.rejects(rosters.offer(first), { code: 'MDM_NOT_FOUND' })
  await t.rejects(rosters.trust(first, rosterFingerprint(second)), { code: 'MDM_ROSTER' })
  t.strictSame(readdirSync(folder), [])
  await rosters.trust(first, rosterFingerprint(first))
  await t.rejects(
    rosters.trust(first, rosterFingerprint(second)),
    { code: 'MDM_ROSTER' },
    'also when it is held',
  )
  await rosters.offer(second)
  await rosters.offer(second)
  await t.rejects(rosters.offer(fork), { code: 'MDM_ROSTER' })
  t.strictSame(rosters.texts('demo', 1), [first, second])
  t.strictSame(rosters.texts('demo', 2), [second])
  t.equal(rosters.of('demo')?.jws, second)
  t.equal(rosters.of('nowhere'), undefined)
  const again = await openRosters(folder)
  t.equal(again.of('demo')?.jws, second, 'they are there after a restart')
})

t.test('of two rosters offered at once one is kept', async (t) => {
  const rosters = await openRosters(t.testdir())
  await rosters.trust(first, rosterFingerprint(first))
  const both = await Promise.allSettled([rosters.offer(second), rosters.offer(fork)])
  t.strictSame(both.map((r) => r.status).sort(), ['fulfilled', 'rejected'])
})

t.test('a roster is not kept when what must come before fails', async (t) => {
  const rosters = await openRosters(t.testdir())
  await rosters.trust(first, rosterFingerprint(first))
  const before = () => Promise.reject(new Error('not written down'))
  await t.rejects(rosters.offer(second, { before }), { message: 'not written down' })
  t.equal(rosters.of('demo')?.jws, first)
  await rosters.offer(second)
})

t.test(
  'a file that does not follow keeps a server from starting, and changes nothing in one that runs',
  async (t) => {
    const folder = t.testdir()
    const rosters = await openRosters(folder)
    await rosters.trust(first, rosterFingerprint(first))
    copyFileSync(join(folder, 'demo.1.jws'), join(folder, 'other.1.jws'))
    await rosters.refresh()
    t.equal(rosters.readable, false)
    t.equal(rosters.of('other'), undefined)
    t.equal(rosters.of('demo')?.jws, first)
    await t.rejects(openRosters(folder), { code: 'MDM_ROSTER' })
    writeFileSync(join(folder, 'other.1.jws'), 'nothing')
    await t.rejects(openRosters(folder), { code: 'MDM_ROSTER' })
  },
)

t.test('a roster that is taken out of the folder does not bring the one before it back', async (t) => {
  const folder = t.testdir()
  const rosters = await openRosters(folder)
  await rosters.trust(first, rosterFingerprint(first))
  await rosters.offer(second)
  await rosters.refresh()
  rmSync(join(folder, 'demo.2.jws'))
  await rosters.refresh()
  t.equal(rosters.of('demo')?.jws, second)
  t.equal(rosters.readable, false)
  writeFileSync(join(folder, 'demo.2.jws'), fork)
  await rosters.refresh()
  t.equal(rosters.of('demo')?.jws, second, 'nor another in its place')
  t.equal(rosters.readable, false)
  writeFileSync(join(folder, 'demo.2.jws'), second)
  await rosters.refresh()
  t.equal(rosters.readable, true)
})
