import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { changeGroup, grant } from '@mdm/core/access/acl'
import { MdmError } from '@mdm/core/errors'
import { getHealth } from '@mdm/core/wire/common'
import { getShares } from '@mdm/core/wire/key-server'
import { readConfig } from '../../packages/server/src/config.ts'
import { SiteConfig } from '../../packages/server/src/site-config.ts'
import { runMdm } from '../fixtures/grid.ts'
import { VO } from '../fixtures/x509/attribute-certificate.ts'
import { vomsGrid } from '../fixtures/x509/voms-grid.ts'
import { addSeries, registerAll, startSiteGrid, until, untilServing } from '../server/site-grid.ts'

t.setTimeout(120_000)

const ROLE = `/${VO}/physicians/Role=radiologist`
const GROUP = `/${VO}/physicians`
const BANNED = `/${VO}/expelled`
const POLICY = `/${VO}/policy`

const grid = await startSiteGrid(t, { started: false })
const { site, users } = grid.provisioned
const bans = [site, ...grid.provisioned.keyServers].map(({ dir }) => join(dir, 'bans.json'))
for (const file of bans) await writeFile(file, JSON.stringify([{ kind: 'fqan', fqan: BANNED }]))
const voms = await vomsGrid(grid)
t.teardown(() => voms.close())
const { config } = await readConfig(site.config, SiteConfig)
await writeFile(
  site.config,
  JSON.stringify({ ...config, policy: [{ to: { kind: 'fqan', fqan: POLICY }, preset: 'process' }] }),
  { mode: 0o600 },
)
await grid.startSite()
const admin = await grid.as('admin')
await untilServing(admin)
const [registered] = (await registerAll(admin)).filter((event) => event.type === 'registered')
const guid = registered!.volume.guid

const alice = voms.person('Alice Martin')
const file = join(grid.dir, 'volume.nrrd')
/** What the command makes of a get, with these attributes; none for a proxy without any. */
async function get(fqans: readonly string[] | undefined, owner = alice): Promise<number> {
  await rm(file, { force: true })
  await rm(`${file}.part`, { force: true })
  const proxy = voms.proxy(owner, fqans && { fqans })
  const run = await runMdm(['get', guid, '-o', file], { config: await voms.configOf(proxy) })
  if (run.code === 0) t.match(await readFile(file), /^NRRD/, 'the volume is decrypted')
  return run.code
}
const asAdmin = async (...args: string[]) => {
  const run = await runMdm([...args, '--json'], { config: users.admin!.config })
  t.equal(run.code, 0, run.stderr)
  return run.json as Record<string, any>
}

t.test('what is granted to an FQAN is its holders’, through the site and the key servers', async (t) => {
  t.equal(await get([ROLE]), 3, 'nothing is granted yet')
  await asAdmin('acl', 'grant', guid, '--to', ROLE, '--preset', 'process')
  t.equal(await get([`/${VO}`, ROLE]), 0)
  t.equal(await get([ROLE], voms.person('Bob')), 0, 'whoever holds it')
  t.equal(await get(undefined), 3, 'without attributes the volume does not exist for him')
  t.equal(await get([`/${VO}`, GROUP]), 3, 'a group is not its role')
  t.equal(await get([`${GROUP}/Role=radiologist2`, `${GROUP}/Role=Radiologist`]), 3, 'nor is a similar name')

  const shown = await asAdmin('acl', 'show', guid)
  t.match(JSON.stringify(shown), `"fqan":"${ROLE}"`)
  const people = await runMdm(['acl', 'show', guid], { config: users.admin!.config })
  t.match(people.stdout, ROLE)

  await asAdmin('acl', 'revoke', guid, '--from', ROLE)
  t.equal(await get([ROLE]), 3, 'a revoke counts at once')
})

t.test('a role does not hold what its group was given, unless its VOMS server says both', async (t) => {
  await asAdmin('acl', 'grant', guid, '--to', GROUP, '--preset', 'process')
  t.equal(await get([ROLE]), 3)
  t.equal(await get([GROUP, ROLE]), 0)
  await asAdmin('acl', 'revoke', guid, '--from', GROUP)
})

t.test('an FQAN may be a member of a group, and the policy of a site may name one', async (t) => {
  await asAdmin('acl', 'grant', guid, '--to', 'group:radiology', '--preset', 'process')
  t.match(await asAdmin('group', 'add', 'radiology', '--member', ROLE), { member: ROLE })
  t.equal(await get([ROLE]), 0)
  await asAdmin('group', 'remove', 'radiology', '--member', ROLE)
  t.equal(await get([ROLE]), 3)
  await asAdmin('acl', 'revoke', guid, '--from', 'group:radiology')
  t.equal(await get([POLICY]), 0, 'on every new volume')
  const wrong = await runMdm(['group', 'add', 'radiology', '--member', 'group:x'], {
    config: users.admin!.config,
  })
  t.equal(wrong.code, 2)
})

t.test('whoever holds a banned FQAN is answered by nobody, whatever else he holds', async (t) => {
  const session = await voms.as(voms.proxy(alice, { fqans: [POLICY, BANNED] }))
  const peers = [session.site, ...session.keyServers.map(({ peer }) => peer)]
  for (const peer of peers) await t.rejects(peer.call(getHealth), { code: 'MDM_BANNED' })
  t.equal(await get([POLICY, BANNED]), 4)
  t.equal(await get([POLICY]), 0)
})

t.test('each operator trusts for himself: a key server without the LSC file gives no share', async (t) => {
  const session = await voms.as(voms.proxy(alice, { fqans: [POLICY] }))
  const shares = async () =>
    await Promise.all(
      session.keyServers.map(({ peer }) =>
        peer.call(getShares, { params: { guid } }).then(
          () => 'a share',
          (error: unknown) => (error instanceof MdmError ? error.code : String(error)),
        ),
      ),
    )
  t.strictSame(await shares(), ['a share', 'a share', 'a share'])
  const two = voms.folders.slice(2)
  await voms.trust({ isTrusted: false, folders: two })
  await until(async () => (await shares()).filter((one) => one === 'MDM_NOT_FOUND').length === 2)
  t.equal(await get([POLICY]), 4, 'the site lets him in, and too few key servers do')
  await voms.trust({ folders: two })
  await until(async () => (await shares()).every((one) => one === 'a share'))
  t.equal(await get([POLICY]), 0)
})

t.test('attributes that have ended, or are of others, are none at site and key servers', async (t) => {
  const past = { notBefore: new Date(Date.now() - 7_200_000), notAfter: new Date(Date.now() - 3_600_000) }
  const bob = voms.person('Bob')
  for (const attributes of [
    { fqans: [POLICY], ...past },
    { fqans: [POLICY], holder: bob.certificate },
    { fqans: [POLICY], signer: bob },
  ]) {
    const session = await voms.as(voms.proxy(alice, attributes))
    for (const { peer } of session.keyServers)
      await t.rejects(peer.call(getShares, { params: { guid } }), { code: 'MDM_NOT_FOUND' })
    const run = await runMdm(['stat', guid], { config: await voms.configOf(voms.proxy(alice, attributes)) })
    t.equal(run.code, 3)
  }
})

t.test(
  'a file that names no VOMS server is told to the operator, and keeps nobody from registering',
  async (t) => {
    const all = voms.folders.map((folder) => join(folder, VO, 'damaged.lsc'))
    for (const damaged of all) await writeFile(damaged, 'words')
    const health = async () => (await admin.site.call(getHealth)).reasons
    await until(async () => (await health()).includes('vomsdir-unreadable'))
    t.ok(grid.log.some((line) => line.includes('vomsdir-unreadable')))
    t.equal(await get([POLICY]), 0, 'the other files count')
    await addSeries(grid.source, 'later')
    t.match(
      (await registerAll(admin)).filter(({ type }) => type === 'registered'),
      [{ type: 'registered' }],
    )
    for (const damaged of all) await rm(damaged)
    await until(async () => (await health()).length === 0)
  },
)

t.test('an attribute opens no way to change a list: an administrator’s key does', async (t) => {
  await grant(admin, guid, { to: { kind: 'fqan', fqan: ROLE }, preset: 'admin' })
  const session = await voms.as(voms.proxy(alice, { fqans: [ROLE] }))
  await t.rejects(grant(session, guid, { to: { kind: 'fqan', fqan: GROUP }, preset: 'process' }))
  await t.rejects(changeGroup(session, 'radiology', { op: 'join', member: { kind: 'fqan', fqan: ROLE } }))
})
