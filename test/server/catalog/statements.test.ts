import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { grant, show } from '../../../packages/core/src/access/acl.ts'
import { metadataOf, query, volumeRow } from '../../../packages/core/src/access/metadata.ts'
import type { Session } from '../../../packages/core/src/access/session.ts'
import {
  appendStatement,
  emptyChain,
  signStatement,
  verifyChain,
  type Change,
} from '../../../packages/core/src/acl/statement.ts'
import { loadCredential } from '../../../packages/core/src/identity/credential.ts'
import { newGuid, type Guid } from '../../../packages/core/src/names.ts'
import {
  getStatements,
  postStatement,
  type AclObject,
  type Scope,
} from '../../../packages/core/src/wire/common.ts'
import { changeSite, siteRows } from '../register/invariants.ts'
import { registerAll, startSiteGrid, type User } from '../site-grid.ts'

t.test('signed changes of access lists', async (t) => {
  const grid = await startSiteGrid(t, { series: [{}, { modality: 'MR' }] })
  const admin = await grid.as('admin')
  await registerAll(admin)
  const [guid, other] = (siteRows(grid, 'select guid from volumes order by guid') as { guid: Guid }[]).map(
    (r) => r.guid,
  ) as [Guid, Guid]
  const { site } = admin.roster.body
  const principal = async (user: User) => {
    const { dn, issuer } = (await grid.as(user)).credential.identity
    return { kind: 'user', dn, issuer } as const
  }
  const chainOf = async (scope: Scope, object: AclObject) => {
    const { statements } = await admin.site.call(getStatements, { params: { site, scope, object } })
    return statements.length === 0
      ? emptyChain(site, scope, object)
      : await verifyChain(statements, { roster: admin.roster, site, scope, object })
  }
  const sign = async (
    scope: Scope,
    object: AclObject,
    change: Change,
    o: { by?: Session; now?: Date } = {},
  ) =>
    await signStatement({
      chain: await chainOf(scope, object),
      change,
      credential: (o.by ?? admin).credential,
      now: o.now ?? new Date(),
    })
  const post = async (session: Session, statement: string, earlier?: string[]) =>
    await session.site.call(postStatement, {
      body: { statement, ...(earlier === undefined ? {} : { earlier }) },
    })
  const grantOf = async (user: User, rights: ('list' | 'read')[] = ['list']): Promise<Change> => ({
    op: 'grant',
    entry: { to: await principal(user), rights, versions: 'all' },
  })
  const audit = async () => await readFile(join(grid.provisioned.site.dir, 'audit.jsonl'), 'utf8')

  await t.test('a statement counts at once, and its record is on the disk before the answer', async (t) => {
    const statement = await sign(guid, 'file', await grantOf('scientist'))
    const answer = await post(admin, statement)
    t.equal(answer.seq, 1)
    t.ok((await audit()).includes(answer.head))
    t.match(await volumeRow(await grid.as('scientist'), { guid }), { guid })
    t.strictSame(await post(admin, statement), answer, 'the same again changes nothing')
    t.equal((await audit()).split(answer.head).length - 1, 2, 'nor is it written down twice')
  })

  await t.test(
    'another statement at the same place is a fork, refused and always written down',
    async (t) => {
      const chain = await chainOf(guid, 'file')
      const [one, two] = await Promise.all(
        (['physician', 'backup'] as const).map(async (user) =>
          signStatement({
            chain,
            change: await grantOf(user),
            credential: admin.credential,
            now: new Date(),
          }),
        ),
      )
      await post(admin, one!)
      await t.rejects(post(admin, two!), { code: 'MDM_STATEMENT_FORKED' })
      await t.rejects(post(admin, two!), { code: 'MDM_STATEMENT_FORKED' })
      t.equal((await audit()).split('MDM_STATEMENT_FORKED').length - 1, 2)
      await t.rejects(volumeRow(await grid.as('backup'), { guid }), { code: 'MDM_NOT_FOUND' })
    },
  )

  await t.test('two statements for one place at the same moment: one counts', async (t) => {
    const chain = await chainOf(other, 'file')
    const both = await Promise.all(
      (['physician', 'backup'] as const).map(async (user) =>
        signStatement({ chain, change: await grantOf(user), credential: admin.credential, now: new Date() }),
      ),
    )
    const results = await Promise.allSettled(both.map((statement) => post(admin, statement)))
    t.strictSame(results.map((r) => r.status).toSorted(), ['fulfilled', 'rejected'])
    t.equal((await chainOf(other, 'file')).seq, 1)
  })

  await t.test('an old statement, or one that skips a place, is stale', async (t) => {
    const old = await sign(guid, 'file', await grantOf('backup'), { now: new Date(Date.now() - 6 * 60_000) })
    await t.rejects(post(admin, old), { code: 'MDM_STATEMENT_STALE' })
    const chain = await chainOf(guid, 'file')
    const ahead = await signStatement({
      chain: { ...chain, seq: chain.seq + 3 },
      change: await grantOf('backup'),
      credential: admin.credential,
      now: new Date(),
    })
    await t.rejects(post(admin, ahead), { code: 'MDM_STATEMENT_STALE' })
    t.match(await audit(), /MDM_STATEMENT_STALE/)
  })

  await t.test('a signature of nobody who counts changes nothing, whoever brings it', async (t) => {
    const scientist = await grid.as('scientist')
    const before = await chainOf(guid, 'file')
    const own = await sign(guid, 'file', await grantOf('scientist', ['list', 'read']), { by: scientist })
    await t.rejects(
      post(scientist, own),
      { code: 'MDM_DENIED', details: { preset: 'admin' } },
      'he may list, so he is told',
    )
    await t.rejects(post(await grid.as('stranger'), own), { code: 'MDM_NOT_FOUND' })
    await t.rejects(post(admin, own), { code: 'MDM_STATEMENT' })
    t.strictSame(await chainOf(guid, 'file'), before)
  })

  await t.test("the site's own keys cannot change a list that exists", async (t) => {
    const { dir } = grid.provisioned.site
    const service = await loadCredential({ certificate: join(dir, 'tls.pem'), key: join(dir, 'tls.key') })
    const bySite = await signStatement({
      chain: await chainOf(guid, 'file'),
      change: await grantOf('stranger'),
      credential: service,
      now: new Date(),
    })
    await t.rejects(post(admin, bySite), { code: 'MDM_STATEMENT' })
    await t.rejects(volumeRow(await grid.as('stranger'), { guid }), { code: 'MDM_NOT_FOUND' })
  })

  await t.test('an appointed administrator counts, also when the site learns of both at once', async (t) => {
    const physician = await grid.as('physician')
    const { dn, issuer, spki } = physician.credential.identity
    const appointed = await sign(guid, 'metadata:dicom', {
      op: 'appoint',
      administrator: { dn, issuer, spki },
    })
    const chain = await chainOf(guid, 'metadata:dicom')
    const after = await verifyChain([...chain.statements, appointed], {
      roster: admin.roster,
      site,
      scope: guid,
      object: 'metadata:dicom',
    })
    t.equal(after.administrators.length, 1, spki)
    const entry = { to: await principal('physician'), rights: ['read' as const], versions: 'all' as const }
    const statement = await signStatement({
      chain: after,
      change: { op: 'grant', entry },
      credential: physician.credential,
      now: new Date(),
    })
    await t.rejects(post(physician, statement))
    t.match(await post(physician, statement, [appointed]), { seq: 2 })
    t.match(await metadataOf(physician, { guid }), { tables: { dicom: { study_uid: /^2\.25\./ } } })
    t.strictSame(
      (await show(physician, guid)).map((list) => list.object),
      ['metadata:dicom'],
      'and sees the list he administers',
    )
    t.equal((await show(admin, guid)).length, 7)
  })

  await t.test('a group gives its members what it was given, until they leave', async (t) => {
    await post(
      admin,
      await sign(guid, 'file', {
        op: 'grant',
        entry: { to: { kind: 'group', name: 'backup' }, rights: ['list'], versions: 'all' },
      }),
    )
    const backup = await grid.as('backup')
    await t.rejects(volumeRow(backup, { guid }), { code: 'MDM_NOT_FOUND' })
    await post(admin, await sign('site', 'group:backup', { op: 'join', member: await principal('backup') }))
    t.match(await volumeRow(backup, { guid }), { guid })
    await post(admin, await sign('site', 'group:backup', { op: 'leave', member: await principal('backup') }))
    await t.rejects(volumeRow(backup, { guid }), { code: 'MDM_NOT_FOUND' })
    await t.rejects(
      post(
        backup,
        await sign('site', 'group:backup', { op: 'join', member: await principal('backup') }, { by: backup }),
      ),
      {
        code: 'MDM_NOT_FOUND',
      },
    )
  })

  await t.test('a ban closes every door, and its lifting opens them', async (t) => {
    const scientist = await grid.as('scientist')
    t.match(await volumeRow(scientist, { guid }), { guid })
    await post(admin, await sign('site', 'ban', { op: 'ban', who: await principal('scientist') }))
    await t.rejects(volumeRow(scientist, { guid }), { code: 'MDM_BANNED' })
    await t.rejects(query(scientist, 'rows>0'), { code: 'MDM_BANNED' })
    await post(admin, await sign('site', 'ban', { op: 'unban', who: await principal('scientist') }))
    t.match(await volumeRow(scientist, { guid }), { guid })
  })

  await t.test(
    'lists outlive a restart; one that was altered in the database is replayed from its statements',
    async (t) => {
      const scientist = await grid.as('scientist')
      const stranger = await grid.as('stranger')
      await grid.stopSite()
      const at = `where scope = '${guid}' and object = 'file'`
      const [row] = siteRows(grid, `select state from access_lists ${at}`)
      const state = JSON.parse(String(row!.state)) as { entries: unknown[] }
      state.entries.push({ to: await principal('stranger'), rights: ['list'], versions: 'all' })
      const text = JSON.stringify(state).replaceAll("'", "''")
      changeSite(grid, `update access_lists set state = '${text}' ${at}`)
      await grid.startSite()
      t.match(await volumeRow(scientist, { guid }), { guid })
      await t.rejects(volumeRow(stranger, { guid }), { code: 'MDM_NOT_FOUND' })
    },
  )

  await t.test(
    'the time a refusal takes does not tell a long list from a GUID that is invented',
    async (t) => {
      const stranger = await grid.as('stranger')
      let chain = await chainOf(other, 'file')
      const first = chain.seq + 1
      for (let i = 0; i < 300; i++) {
        const [user, op] = [await principal('backup'), i % 2 === 0 ? 'grant' : 'revoke']
        const change = op === 'grant' ? await grantOf('backup') : ({ op: 'revoke', from: user } as const)
        const { credential } = admin
        const statement = await signStatement({ chain, change, credential, now: new Date() })
        chain = await appendStatement(chain, statement, { roster: admin.roster, now: new Date() })
      }
      await post(admin, chain.statements.at(-1)!, chain.statements.slice(first, -1))
      const attempt = async (scope: Guid): Promise<number> => {
        const empty = { ...emptyChain(site, scope, 'file'), seq: 5_000, head: 'a'.repeat(64) }
        const change = await grantOf('stranger')
        const { credential } = stranger
        const one = await signStatement({ chain: empty, change, credential, now: new Date() })
        const start = performance.now()
        await t.rejects(post(stranger, one, [one]), { code: 'MDM_NOT_FOUND' })
        return performance.now() - start
      }
      const times: Record<'real' | 'invented', number[]> = { real: [], invented: [] }
      for (let i = 0; i < 15; i++) {
        times.real.push(await attempt(other))
        times.invented.push(await attempt(newGuid()))
      }
      const median = (ms: number[]) => ms.toSorted((a, b) => a - b)[7]!
      const [real, invented] = [median(times.real), median(times.invented)]
      t.ok(real < 3 * invented + 5, `${real.toFixed(1)} ms and ${invented.toFixed(1)} ms`)
    },
  )

  await t.test('the real client grants through site and key servers alike', async (t) => {
    const { changed } = await grant(admin, other, {
      to: await principal('scientist'),
      preset: 'process',
      versions: 'all',
    })
    t.strictSame(changed.map((c) => c.object).toSorted(), [
      'file',
      'key',
      'metadata:image',
      'metadata:medical',
    ])
    t.match(await volumeRow(await grid.as('scientist'), { guid: other }), { shape: [8, 6, 4] })
  })
})
