import { renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openBanFile } from '../../../packages/server/src/keyshares/ban-file.ts'

const LIST = JSON.stringify([{ kind: 'user', dn: 'CN=mallory', issuer: 'CN=ca' }])

t.test('a list of bans that cannot be looked at leaves the last one in force', async (t) => {
  const file = join(t.testdir(), 'bans.json')
  writeFileSync(file, LIST)
  const bans = await openBanFile(file)
  t.equal(bans.principals.length, 1)
  // Something is there under the name, and nobody can say what.
  rmSync(file)
  symlinkSync(file, file)
  for (let look = 0; look < 3; look++) await bans.refresh()
  t.match(bans, { principals: [{ dn: 'CN=mallory' }], readable: false })
  await t.rejects(openBanFile(file), { code: 'MDM_CONFIG' }, 'nor does a server start with it')
  rmSync(file)
  writeFileSync(file, '[]')
  await bans.refresh()
  t.match(bans, { principals: [], readable: true })
})

t.test('a list that an editor replaces stays in force, and one that is gone for good ends', async (t) => {
  const dir = t.testdir()
  const [file, old] = [join(dir, 'bans.json'), join(dir, 'bans.json~')]
  writeFileSync(file, LIST)
  const bans = await openBanFile(file)
  renameSync(file, old)
  await bans.refresh()
  t.match(bans, { principals: [{ dn: 'CN=mallory' }], readable: true }, 'gone for a moment')
  renameSync(old, file)
  await bans.refresh()
  t.equal(bans.principals.length, 1)
  rmSync(file)
  for (let look = 0; look < 2; look++) await bans.refresh()
  t.match(bans, { principals: [], readable: true })
  t.strictSame((await openBanFile(join(dir, 'never'))).principals, [])
})

t.test('a list that is whole again is readable again', async (t) => {
  const file = join(t.testdir(), 'bans.json')
  writeFileSync(file, LIST)
  const bans = await openBanFile(file)
  renameSync(file, `${file}~`)
  symlinkSync(file, file)
  await bans.refresh()
  t.equal(bans.readable, false)
  renameSync(`${file}~`, file)
  await bans.refresh()
  t.match(bans, { principals: [{ dn: 'CN=mallory' }], readable: true })
})
