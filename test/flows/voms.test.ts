import { once } from 'node:events'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { join } from 'node:path'
import t from 'tap'
import { changeGroup, grant, revoke } from '@mdm/core/access/acl'
import { openVolume } from '@mdm/core/access/decrypt'
import { MdmError } from '@mdm/core/errors'
import { getHealth, getWhoami } from '@mdm/core/wire/common'
import { getShares } from '@mdm/core/wire/key-server'
import { readConfig } from '../../packages/server/src/config.ts'
import { SiteConfig } from '../../packages/server/src/site-config.ts'
import { runMdm } from '../fixtures/grid.ts'
import {
  attributeCertificate,
  carrying,
  TARGETS,
  usualExtensions,
  VO,
  type AttributeOptions,
} from '../fixtures/x509/attribute-certificate.ts'
import { proxyOf, tlsOf, type Holder } from '../fixtures/x509/proxies.ts'
import { vomsGrid } from '../fixtures/x509/voms-grid.ts'
import { addSeries, registerAll, startSiteGrid, until, untilServing } from '../server/site-grid.ts'

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
/** What becomes of a get with these attributes, decrypted: 'done', or the code. None for a proxy without any. */
async function get(fqans: readonly string[] | undefined, owner = alice): Promise<string> {
  const session = await voms.as(voms.proxy(owner, fqans && { fqans }))
  try {
    const opened = await openVolume(session, { guid })
    for await (const _ of opened.stream());
    await opened.close()
    return 'done'
  } catch (error) {
    return codeOf(error)
  }
}
const codeOf = (error: unknown) => (error instanceof MdmError ? error.code : String(error))
const fqan = (name: string) => ({ kind: 'fqan' as const, fqan: name })
const asAdmin = async (...args: string[]) => {
  const run = await runMdm([...args, '--json'], { config: users.admin!.config })
  t.equal(run.code, 0, run.stderr)
  return run.json as Record<string, any>
}

t.test('what is granted to an FQAN is its holders’, through the site and the key servers', async (t) => {
  t.equal(await get([ROLE]), 'MDM_NOT_FOUND', 'nothing is granted yet')
  await asAdmin('acl', 'grant', guid, '--to', ROLE, '--preset', 'process')
  t.equal(await get([`/${VO}`, ROLE]), 'done')
  t.equal(await get([ROLE], voms.person('Bob')), 'done', 'whoever holds it')
  t.equal(await get(undefined), 'MDM_NOT_FOUND', 'without attributes the volume does not exist for him')
  t.equal(await get([`/${VO}`, GROUP]), 'MDM_NOT_FOUND', 'a group is not its role')
  const similar = [`${GROUP}/Role=radiologist2`, `${GROUP}/Role=Radiologist`, `${GROUP}/Role`]
  t.equal(await get(similar), 'MDM_NOT_FOUND', 'nor is a similar name')

  const file = join(grid.dir, 'volume.nrrd')
  const run = async (fqans?: string[]) => {
    const args = ['get', guid, '-o', file]
    return await runMdm(args, { config: await voms.configOf(voms.proxy(alice, fqans && { fqans })) })
  }
  t.equal((await run()).code, 3, 'the command says that there is none')
  const got = await run([ROLE])
  t.equal(got.code, 0, got.stderr)
  t.match(await readFile(file), /^NRRD/)

  for (const [server, event] of [
    [site, 'volume.get'],
    [grid.provisioned.keyServers[0]!, 'shares-released'],
  ] as const) {
    const log = await readFile(join(server.dir, 'audit.jsonl'), 'utf8')
    const record = log
      .split('\n')
      .find((line) => line.includes(`"${event}"`) && line.includes('alice martin'))
    t.match(JSON.parse(record ?? '{}'), { caller: { proxy: 'full', fqans: [`/${VO}`, ROLE] } }, event)
  }

  t.match(JSON.stringify(await asAdmin('acl', 'show', guid)), `"fqan":"${ROLE}"`)
  await asAdmin('acl', 'revoke', guid, '--from', ROLE)
  t.equal(await get([ROLE]), 'MDM_NOT_FOUND', 'a revoke counts at once')
})

t.test('a role does not hold what its group was given, unless its VOMS server says both', async (t) => {
  await grant(admin, guid, { to: fqan(GROUP), preset: 'process' })
  t.equal(await get([ROLE]), 'MDM_NOT_FOUND')
  t.equal(await get([GROUP, ROLE]), 'done')
  await revoke(admin, guid, { from: fqan(GROUP) })
})

t.test('an FQAN may be a member of a group, and the policy of a site may name one', async (t) => {
  await grant(admin, guid, { to: { kind: 'group', name: 'radiology' }, preset: 'process' })
  t.match(await asAdmin('group', 'add', 'radiology', '--member', ROLE), { member: ROLE })
  t.equal(await get([ROLE]), 'done')
  await changeGroup(admin, 'radiology', { op: 'leave', member: fqan(ROLE) })
  t.equal(await get([ROLE]), 'MDM_NOT_FOUND')
  await revoke(admin, guid, { from: { kind: 'group', name: 'radiology' } })
  t.equal(await get([POLICY]), 'done', 'on every new volume')
})

t.test('whoever holds a banned FQAN is answered by nobody, whatever else he holds', async (t) => {
  const session = await voms.as(voms.proxy(alice, { fqans: [POLICY, BANNED] }))
  const peers = [session.site, ...session.keyServers.map(({ peer }) => peer)]
  for (const peer of peers) await t.rejects(peer.call(getHealth), { code: 'MDM_BANNED' })
  t.not(await get([POLICY, BANNED]), 'done')
  t.equal(await get([POLICY]), 'done')
})

t.test('each operator trusts for himself: a key server without the LSC file gives no share', async (t) => {
  const session = await voms.as(voms.proxy(alice, { fqans: [POLICY] }))
  const shares = async () =>
    await Promise.all(
      session.keyServers.map(({ peer }) =>
        peer.call(getShares, { params: { guid } }).then(() => 'a share', codeOf),
      ),
    )
  t.strictSame(await shares(), ['a share', 'a share', 'a share'])
  const two = voms.folders.slice(2)
  await voms.trust({ isTrusted: false, folders: two })
  await until(async () => (await shares()).filter((one) => one === 'MDM_NOT_FOUND').length === 2)
  t.equal(await get([POLICY]), 'MDM_DENIED', 'the site lets him in, and too few key servers do')
  await voms.trust({ folders: two })
  await until(async () => (await shares()).every((one) => one === 'a share'))
  t.equal(await get([POLICY]), 'done')
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
    await t.rejects(openVolume(session, { guid }), { code: 'MDM_NOT_FOUND' })
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
    t.equal(await get([POLICY]), 'done', 'the other files count')
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
  await grant(admin, guid, { to: fqan(ROLE), preset: 'admin' })
  const session = await voms.as(voms.proxy(alice, { fqans: [ROLE] }))
  await t.rejects(grant(session, guid, { to: fqan(GROUP), preset: 'process' }))
  await t.rejects(changeGroup(session, 'radiology', { op: 'join', member: fqan(ROLE) }))
})

/** What the port of grid clients answers to one who asks for the volume by https. */
async function statusAtStorage(holder: Holder): Promise<number> {
  const { cert, key } = tlsOf(holder)
  const asked = request(`${site.srm}/mdm/${guid}`, { method: 'HEAD', cert, key, rejectUnauthorized: false })
  const [reply] = (await once(asked.end(), 'response')) as [{ statusCode: number; resume(): void }]
  reply.resume()
  return reply.statusCode
}

t.test('attributes that do not hold are no attributes, and no refusal, on every listener', async (t) => {
  const bob = voms.person('Bob Builder')
  const made = (o: Partial<AttributeOptions> = {}) =>
    attributeCertificate({ signer: voms.server, holder: alice.certificate, fqans: [POLICY], ...o })
  const altered = (o: Partial<AttributeOptions> = {}) => {
    const bytes = made(o)
    bytes[bytes.indexOf(POLICY) + POLICY.length - 1]! ^= 1
    return bytes
  }
  const unknown = [...usualExtensions(voms.server), [TARGETS, true, Buffer.from('3000', 'hex')] as const]
  const rows: Record<string, { ac: Buffer; holds?: true; owner?: Holder }> = {
    good: { ac: made(), holds: true },
    'of another person': { ac: made({ holder: bob.certificate }) },
    transplanted: { ac: made(), owner: bob },
    'with a byte altered': { ac: altered() },
    'signed by a user': { ac: made({ signer: bob }) },
    'with a critical extension': { ac: made({ extensions: unknown }) },
    expired: { ac: made({ notAfter: new Date(Date.now() - 60_000) }) },
    'of another VO': { ac: made({ vo: 'other.example.org' }) },
  }
  for (const [what, { ac, holds = false, owner = alice }] of Object.entries(rows)) {
    const holder = proxyOf(owner, {
      notAfter: new Date(Date.now() + 3_600_000),
      extensions: [carrying(ac)],
    })
    const session = await voms.as(holder)
    for (const peer of [session.site, session.keyServers[0]!.peer]) {
      const { kind, proxy, fqans = [] } = await peer.call(getWhoami)
      t.match({ kind, proxy }, { kind: 'user', proxy: 'full' }, `${what}: he is known`)
      t.strictSame(fqans, holds ? [POLICY] : [], `${what}: his attributes`)
    }
    const share = await session.keyServers[0]!.peer.call(getShares, { params: { guid } }).then(
      () => 'given',
      codeOf,
    )
    t.equal(share, holds ? 'given' : 'MDM_NOT_FOUND', `${what}: a key server`)
    t.equal(await statusAtStorage(holder), holds ? 200 : 404, `${what}: the storage element`)
  }
})
