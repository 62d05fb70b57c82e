import t from 'tap'
import { grant, revoke, show } from '@mdm/core/access/acl'
import { openVolume } from '@mdm/core/access/decrypt'
import { getRaw } from '@mdm/core/access/raw'
import type { Session } from '@mdm/core/access/session'
import { parsePrincipal, samePrincipal, type Principal } from '@mdm/core/acl/principal'
import { signStatement, verifyChain } from '@mdm/core/acl/statement'
import { newGuid, type Guid } from '@mdm/core/names'
import { getStatements, postStatement, type AclObject } from '@mdm/core/wire/common'
import type { User } from '../../fixtures/grid.ts'
import { gone, startKeyServer } from '../../fixtures/site-process.ts'
import { untilServing } from '../../server/site-grid.ts'
import { startRegisteredGrid } from './grid-volume.ts'

t.test('who may do what is changed by signed statements at every server', async (t) => {
  const { grid, guid, as } = await startRegisteredGrid(t)
  const admin = await as('admin')
  const person = (user: User): Principal =>
    parsePrincipal(grid.users[user].dn, admin.credential.identity.issuer)
  const listsNaming = async (who: Principal) =>
    (await show(admin, guid))
      .filter((l) => l.entries.some((e) => samePrincipal(e.to, who)))
      .map((l) => l.object)
  const chainAt = async (server: Session['site'], object: AclObject) =>
    (await server.call(getStatements, { params: { site: admin.roster.body.site, scope: guid, object } }))
      .statements
  const servers = () => [admin.site, ...admin.keyServers.map((k) => k.peer)]

  t.test('a volume begins with its administrators and nobody else', async (t) => {
    const lists = await show(admin, guid)
    t.ok(lists.length >= 7, 'file, key and five tables')
    t.ok(
      lists.every((l) => l.seq === 0),
      'as the site founded them',
    )
    for (const user of ['physician', 'scientist', 'backup', 'stranger'] as const)
      t.same(await listsNaming(person(user)), [], user)
  })

  t.test('a grant takes effect at once, on the lists of its preset, and a revocation too', async (t) => {
    const [scientist, who] = [await as('scientist'), person('scientist')]
    await t.rejects(getRaw(scientist, { guid }), { code: 'MDM_NOT_FOUND' })
    const report = await grant(admin, guid, { to: who, preset: 'process' })
    t.match(report, { guid, changed: [{ object: 'key', seq: 1 }] }, 'the key list first')
    t.same(
      (await listsNaming(who)).toSorted(),
      report.changed.map((c) => c.object).toSorted(),
      'what was reported is what is shown',
    )
    const [, ...shown] = await Promise.all(servers().map((server) => chainAt(server, 'key')))
    t.ok(
      shown.every((chain) => chain.length === 2),
      'every key server has it',
    )
    await (await openVolume(scientist, { guid })).close()

    t.equal((await revoke(admin, guid, { from: who })).changed.length, report.changed.length)
    t.same(await listsNaming(who), [])
    await t.rejects(openVolume(scientist, { guid }), { code: 'MDM_NOT_FOUND' })
    t.same((await revoke(admin, guid, { from: who })).changed, [], 'nothing left to take')
  })

  t.test('a grant may end by itself, and says of which versions it is', async (t) => {
    const [backup, to] = [await as('backup'), person('backup')]
    // How long a grant and a read take is the machine's: an end that came before both says nothing.
    let expires = ''
    for (let ms = 2_000; ; ms *= 2) {
      expires = new Date(Date.now() + ms).toISOString()
      const granted = grant(admin, guid, { to, preset: 'replicate', expires })
      const read = granted.then(() => getRaw(backup, { guid }, { range: { start: 0, end: 1 } }))
      const failure = await read.then(
        () => undefined,
        (error: unknown) => error,
      )
      if (Date.now() >= Date.parse(expires) && ms < 60_000) continue
      t.equal(failure, undefined, 'until then it counts')
      break
    }
    const file = (await show(admin, guid)).find((l) => l.object === 'file')!
    t.match(
      file.entries.find((e) => samePrincipal(e.to, to)),
      { versions: [1], expires },
      'the version that is there now',
    )
    while (Date.now() <= Date.parse(expires)) await new Promise((done) => setTimeout(done, 100))
    await t.rejects(getRaw(backup, { guid }), { code: 'MDM_NOT_FOUND' })
    await grant(admin, guid, { to, preset: 'replicate', versions: 'all' })
    await getRaw(backup, { guid }, { range: { start: 0, end: 1 } })
    await revoke(admin, guid, { from: to })
  })

  t.test('whoever is no administrator can neither see nor change a list', async (t) => {
    await grant(admin, guid, { to: person('physician'), preset: 'clinical' })
    const physician = await as('physician')
    const to = person('stranger')
    for (const [name, code] of [
      [guid, 'MDM_DENIED'],
      [newGuid(), 'MDM_NOT_FOUND'],
    ] as const) {
      await t.rejects(show(physician, name), { code })
      await t.rejects(grant(physician, name, { to, preset: 'process' }), { code })
      await t.rejects(revoke(physician, name, { from: person('admin') }), { code })
    }
    const versions = 'all' as const
    await t.rejects(grant(await as('stranger'), guid, { to, preset: 'process', versions }), {
      code: 'MDM_NOT_FOUND',
    })
    t.same(await listsNaming(to), [])
  })

  t.test('a server that does not confirm makes the change a part of one, and it is named', async (t) => {
    const last = admin.keyServers[2]!
    const server = grid.keyServers.find((k) => k.url === last.peer.url)!
    const call = last.peer.call.bind(last.peer)
    let killed = false
    // It answers what it holds, and dies before it hears of the change.
    last.peer.call = async (contract, ...rest) => {
      if ((contract as unknown) === postStatement && !killed) {
        process.kill(server.pid, 'SIGKILL')
        await gone(server.pid)
        killed = true
      }
      return await call(contract, ...rest)
    }
    const to = person('stranger')
    const error = await grant(admin, guid, { to, preset: 'process' }).catch((e: unknown) => e)
    t.match(error, {
      code: 'MDM_PARTIAL',
      exitCode: 10,
      message: last.id.slice(0, 12),
      details: { changed: [], object: 'key', missing: [`key server ${last.id.slice(0, 12)}`] },
    })
    t.same(await listsNaming(to), ['key'], 'the file list promises nothing yet')
    await t.rejects(
      grant(admin, guid, { to, preset: 'process' }),
      { code: 'MDM_UNREACHABLE' },
      'while it is away nothing is signed',
    )
    t.equal(
      (await chainAt(admin.keyServers[0]!.peer, 'key')).length,
      (await chainAt(admin.site, 'key')).length,
    )

    await startKeyServer(server)
    await untilServing(admin)
    const report = await grant(admin, guid, { to, preset: 'process' })
    t.match(report.changed[0], { object: 'key' })
    const chains = await Promise.all(servers().map((s) => chainAt(s, 'key')))
    t.ok(
      chains.every((chain) => chain.join() === chains[0]!.join()),
      'repeated, it brings the one that missed it up to date',
    )
    await (await openVolume(await as('stranger'), { guid })).close()
  })

  t.test('two stories at two servers are seen, and nothing is signed on top of either', async (t) => {
    const [site, first] = [admin.roster.body.site, admin.keyServers[0]!.peer]
    const statements = await chainAt(first, 'key')
    const chain = await verifyChain(statements, { roster: admin.roster, site, scope: guid, object: 'key' })
    const tell = async (peer: Session['site'], from: Principal) => {
      const o = {
        chain,
        change: { op: 'revoke', from } as const,
        credential: admin.credential,
        now: new Date(),
      }
      await peer.call(postStatement, { body: { statement: await signStatement(o) } })
    }
    await tell(first, person('stranger'))
    await tell(admin.keyServers[1]!.peer, person('physician'))
    const heads = await Promise.all(servers().map(async (s) => (await chainAt(s, 'key')).length))
    await t.rejects(grant(admin, guid, { to: person('backup'), preset: 'process' }), {
      code: 'MDM_STATEMENT_FORKED',
    })
    t.same(await Promise.all(servers().map(async (s) => (await chainAt(s, 'key')).length)), heads)
    t.notOk((await listsNaming(person('backup'))).includes('file'))
  })

  t.test('a list of a volume that never was is not found', async (t) => {
    const none: Guid = newGuid()
    await t.rejects(show(admin, none), { code: 'MDM_NOT_FOUND' })
    await t.rejects(grant(admin, none, { to: person('backup'), preset: 'replicate', versions: 'all' }), {
      code: 'MDM_NOT_FOUND',
    })
  })
})
