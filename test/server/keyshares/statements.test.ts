import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { emptyChain, signStatement, verifyChain, type Chain, type Change } from '@mdm/core/acl/statement'
import { issueCertificate } from '@mdm/core/identity/ca'
import { readCertificate } from '@mdm/core/identity/certificate'
import type { Credential } from '@mdm/core/identity/credential'
import { newGuid, type Guid } from '@mdm/core/names'
import { getStatements, getWhoami, postStatement } from '@mdm/core/wire/common'
import { getShares } from '@mdm/core/wire/key-server'
import { auditOf, makeGrid, makeVolume, peerOf, principalOf, put, reader, startServer } from './grid.ts'

const grid = await makeGrid(t.testdir())
await startServer(t, grid, 0)
await startServer(t, grid, 1)
const service = peerOf(t, grid, grid.service)
const peer = (name: string, index = 0) => peerOf(t, grid, grid.users[name]!, index)
const { admin, physician, scientist, stranger } = grid.users as Record<string, Credential>
const adminPeer = peer('admin')
const get = (name: string, guid: string) => peer(name).call(getShares, { params: { guid } })

async function stored(): Promise<{ guid: Guid; chain(): Promise<Chain> }> {
  const volume = await makeVolume(grid)
  await put(service, volume)
  return { guid: volume.guid, chain: () => chainOf(volume.guid) }
}

async function chainOf(guid: Guid, index = 0): Promise<Chain> {
  const o = { site: grid.site, scope: guid, object: 'key' as const }
  const { statements } = await peer('admin', index).call(getStatements, { params: o })
  return await verifyChain(statements, { roster: grid.roster, ...o })
}

const sign = (chain: Chain, change: Change, o: { by?: Credential; now?: Date } = {}) =>
  signStatement({ chain, change, credential: o.by ?? admin!, now: o.now ?? new Date() })
const post = (statement: string, earlier?: string[], as = adminPeer) =>
  as.call(postStatement, { body: { statement, ...(earlier === undefined ? {} : { earlier }) } })
const grant = (who: Credential): Change => ({ op: 'grant', entry: reader(who) })

t.test('a grant lets the reader in, a revoke lets him out, and both were written down', async (t) => {
  const { guid, chain } = await stored()
  await t.rejects(get('scientist', guid), { code: 'MDM_NOT_FOUND' })
  t.match(await post(await sign(await chain(), grant(scientist!))), { seq: 1 })
  t.equal((await get('scientist', guid)).releases.length, 1)
  t.match(await post(await sign(await chain(), { op: 'revoke', from: principalOf(scientist!) })), { seq: 2 })
  await t.rejects(get('scientist', guid), { code: 'MDM_NOT_FOUND' })
  t.match(
    auditOf(grid).filter((line) => line.guid === guid && line.event === 'statement-accepted'),
    [{ facts: { seq: 1 } }, { facts: { seq: 2 } }],
  )
})

t.test('the same statement twice is one change', async (t) => {
  const { guid, chain } = await stored()
  const statement = await sign(await chain(), grant(scientist!))
  const first = await post(statement)
  t.strictSame(await post(statement), first)
  t.equal((await chain()).seq, 1)
  t.equal(auditOf(grid).filter((line) => line.guid === guid && line.event === 'statement-accepted').length, 1)
})

t.test('a statement must be the next, of now, and the only one at its place', async (t) => {
  const { guid, chain } = await stored()
  const before = await chain()
  const late = (minutes: number) => new Date(Date.now() + minutes * 60_000)
  for (const minutes of [-6, 6]) {
    await t.rejects(post(await sign(before, grant(scientist!), { now: late(minutes) })), {
      code: 'MDM_STATEMENT_STALE',
    })
  }
  await post(await sign(before, grant(scientist!)))
  await t.rejects(post(await sign(before, grant(stranger!))), { code: 'MDM_STATEMENT_FORKED' })
  await t.rejects(post(await sign({ ...(await chain()), seq: 4 }, grant(stranger!))), {
    code: 'MDM_STATEMENT_STALE',
  })
  await t.rejects(post(await sign({ ...(await chain()), head: 'a'.repeat(64) }, grant(stranger!))), {
    code: 'MDM_STATEMENT_STALE',
  })
  await t.rejects(get('stranger', guid), { code: 'MDM_NOT_FOUND' })
  t.match(
    auditOf(grid).filter((line) => line.code === 'MDM_STATEMENT_FORKED'),
    [{ outcome: 'refused', caller: { dn: admin!.identity.dn } }],
  )
})

t.test('who administers nothing changes nothing, with any key and any name', async (t) => {
  const { guid, chain } = await stored()
  const before = await chain()
  const own = await sign(before, grant(stranger!), { by: stranger! })
  const site = await sign(before, grant(stranger!), { by: grid.service })
  await t.rejects(post(own, undefined, peer('stranger')), { code: 'MDM_NOT_FOUND' })
  await t.rejects(post(own), { code: 'MDM_STATEMENT' }, 'brought by an administrator, signed by another')
  await t.rejects(post(site), { code: 'MDM_STATEMENT' })
  await t.rejects(post(site, undefined, service), { code: 'MDM_NOT_FOUND' })
  const good = await sign(before, grant(stranger!))
  await t.rejects(
    post(good, undefined, peer('physician')),
    { code: 'MDM_NOT_FOUND' },
    'signed well, brought by a reader',
  )
  await t.rejects(get('stranger', guid), { code: 'MDM_NOT_FOUND' })
})

t.test('with the keys of the user CA and of the site in hand, no list that exists changes', async (t) => {
  const { guid, chain } = await stored()
  const before = await chain()
  const read = (name: string) => readFileSync(join(grid.made.dir, 'ca', name), 'utf8')
  const ca = { certificate: read('ca.pem'), key: read('ca.key') }
  const double = await issueCertificate({ ca, dn: 'CN=admin,O=MDM demo', days: 1, usage: 'client' })
  const privateKey = createPrivateKey(double.key)
  const certificates = [new X509Certificate(double.certificate)]
  const identity = readCertificate(certificates[0]!.raw)
  t.equal(identity.dn, admin!.identity.dn, 'the same name from the same CA')
  const forger: Credential = { ...identity, ...double, privateKey, identity, chain: certificates }
  const peerOfForger = peerOf(t, grid, forger)
  t.match(await peerOfForger.call(getWhoami), { kind: 'user' })
  const params = { site: grid.site, scope: guid, object: 'key' as const }
  await t.rejects(peerOfForger.call(getStatements, { params }), { code: 'MDM_NOT_FOUND' })
  for (const by of [
    forger,
    grid.service,
    { ...forger, privateKey: grid.signer.key, identity: { ...identity, spki: grid.signer.kid } },
  ]) {
    const statement = await sign(before, grant(stranger!), { by })
    await t.rejects(post(statement, undefined, peerOfForger), { code: 'MDM_NOT_FOUND' })
    await t.rejects(post(statement, undefined, service), { code: 'MDM_NOT_FOUND' })
    await t.rejects(post(statement), { code: 'MDM_STATEMENT' })
  }
  t.equal((await chain()).head, before.head)
})

t.test('an appointed administrator counts until dismissed', async (t) => {
  const { guid, chain } = await stored()
  const { dn, issuer, spki } = physician!.identity
  await post(await sign(await chain(), { op: 'appoint', administrator: { dn, issuer, spki } }))
  await post(await sign(await chain(), grant(scientist!), { by: physician! }), undefined, peer('physician'))
  t.equal((await get('scientist', guid)).releases.length, 1)
  await post(await sign(await chain(), { op: 'dismiss', spki }))
  await t.rejects(
    post(await sign(await chain(), grant(stranger!), { by: physician! }), undefined, peer('physician')),
    {
      code: 'MDM_NOT_FOUND',
    },
  )
})

t.test('chains are shown to administrators and the site, and to nobody else', async (t) => {
  const { guid } = await stored()
  const params = { site: grid.site, scope: guid, object: 'key' as const }
  t.equal((await adminPeer.call(getStatements, { params })).statements.length, 1)
  t.equal((await service.call(getStatements, { params })).statements.length, 1)
  for (const name of ['physician', 'stranger']) {
    await t.rejects(peer(name).call(getStatements, { params }), { code: 'MDM_NOT_FOUND' })
  }
  await t.rejects(adminPeer.call(getStatements, { params: { ...params, scope: newGuid() } }), {
    code: 'MDM_NOT_FOUND',
  })
  await t.rejects(adminPeer.call(getStatements, { params: { ...params, object: 'file' } }), {
    code: 'MDM_NOT_FOUND',
  })
})

t.test(
  'a server that missed statements catches up under a fresh one, and not under a stale one',
  async (t) => {
    const volume = await makeVolume(grid)
    await put(service, volume)
    await put(peerOf(t, grid, grid.service, 1), volume, { index: 1 })
    const past = new Date(Date.now() - 4 * 60_000)
    await post(await sign(await chainOf(volume.guid), grant(scientist!), { now: past }))
    await post(await sign(await chainOf(volume.guid), { op: 'revoke', from: principalOf(physician!) }))
    const chain = await chainOf(volume.guid)
    const fresh = await sign(chain, grant(stranger!))
    await post(fresh)
    const second = peer('admin', 1)
    await t.rejects(post(fresh, undefined, second), { code: 'MDM_STATEMENT_STALE' })
    await t.rejects(
      post(fresh, [chain.statements[2]!], second),
      { code: 'MDM_STATEMENT_FORKED' },
      'one is missing',
    )
    t.match(await post(fresh, [...chain.statements], second), { seq: 3 })
    t.equal((await chainOf(volume.guid, 1)).head, (await chainOf(volume.guid, 0)).head)
    await t.rejects(peer('physician', 1).call(getShares, { params: volume }), { code: 'MDM_NOT_FOUND' })
    t.equal((await peer('stranger', 1).call(getShares, { params: volume })).releases.length, 1)
  },
)

t.test('an earlier statement that differs from the one held is a fork', async (t) => {
  const { chain } = await stored()
  const founded = await chain()
  const [ours, theirs] = [await sign(founded, grant(scientist!)), await sign(founded, grant(stranger!))]
  await post(ours)
  const fork = await verifyChain([...founded.statements, theirs], { roster: grid.roster, ...founded })
  await t.rejects(post(await sign(fork, grant(physician!)), [theirs]), { code: 'MDM_STATEMENT_FORKED' })
})

t.test('a group is a list of members that counts at the time of the request', async (t) => {
  const { guid, chain } = await stored()
  await post(
    await sign(await chain(), {
      op: 'grant',
      entry: { to: { kind: 'group', name: 'radiology' }, rights: ['read'], versions: 'all' },
    }),
  )
  await t.rejects(get('scientist', guid), { code: 'MDM_NOT_FOUND' })
  const group = emptyChain(grid.site, 'site', 'group:radiology')
  await t.rejects(
    post(
      await sign(group, { op: 'join', member: principalOf(stranger!) }, { by: stranger! }),
      undefined,
      peer('stranger'),
    ),
    {
      code: 'MDM_NOT_FOUND',
    },
  )
  await post(await sign(group, { op: 'join', member: principalOf(scientist!) }))
  t.equal((await get('scientist', guid)).releases.length, 1)
  const params = { site: grid.site, scope: 'site' as const, object: 'group:radiology' as const }
  const { statements } = await adminPeer.call(getStatements, { params })
  const now = await verifyChain(statements, { roster: grid.roster, ...params })
  await post(await sign(now, { op: 'leave', member: principalOf(scientist!) }))
  await t.rejects(get('scientist', guid), { code: 'MDM_NOT_FOUND' })
})

t.test('whom the site bans gets nothing on the connection that is open, and no hint', async (t) => {
  const { guid } = await stored()
  const open = peer('physician')
  t.equal((await open.call(getShares, { params: { guid } })).releases.length, 1)
  const ban = await sign(emptyChain(grid.site, 'site', 'ban'), { op: 'ban', who: principalOf(physician!) })
  await post(ban)
  await t.rejects(open.call(getShares, { params: { guid } }), { code: 'MDM_NOT_FOUND' })
  const params = { site: grid.site, scope: 'site' as const, object: 'ban' as const }
  const { statements } = await adminPeer.call(getStatements, { params })
  const chain = await verifyChain(statements, { roster: grid.roster, ...params })
  await post(await sign(chain, { op: 'unban', who: principalOf(physician!) }))
  t.equal((await open.call(getShares, { params: { guid } })).releases.length, 1)
})

t.test('a change that cannot be written down does not happen', async (t) => {
  const { guid, chain } = await stored()
  const statement = await sign(await chain(), grant(scientist!))
  const log = join(grid.made.keyServers[0]!.dir, 'audit.jsonl')
  renameSync(log, `${log}.away`)
  await t.rejects(post(statement), { code: 'MDM_AUDIT' })
  renameSync(`${log}.away`, log)
  await t.rejects(get('scientist', guid), { code: 'MDM_NOT_FOUND' })
  t.equal((await chain()).seq, 0)
  t.match(await post(statement), { seq: 1 })
})

t.test('of two changes sent at once one wins and the other is refused', async (t) => {
  const { chain } = await stored()
  const before = await chain()
  const both = await Promise.allSettled([
    post(await sign(before, grant(scientist!))),
    post(await sign(before, grant(stranger!)), undefined, peer('admin')),
  ])
  t.strictSame(both.map((r) => r.status).sort(), ['fulfilled', 'rejected'])
  t.equal((await chain()).seq, 1)
})
