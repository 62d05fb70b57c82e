import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { grant } from '@mdm/core/access/acl'
import { fetchFileKey } from '@mdm/core/access/file-key'
import { changes, list, query, volumeRow } from '@mdm/core/access/metadata'
import { getRaw } from '@mdm/core/access/raw'
import type { FollowedEvent } from '@mdm/core/access/register'
import type { Session } from '@mdm/core/access/session'
import { Kid, type Guid } from '@mdm/core/names'
import { listChanges, type ChangeRow } from '@mdm/core/wire/changes'
import { runMdm } from '../fixtures/grid.ts'
import { auditOf, siteRows } from '../server/register/invariants.ts'
import { addSeries, registerAll, startSiteGrid, type User } from '../server/site-grid.ts'

t.setTimeout(600_000)

t.test('what happens to volumes at the hospital, as their readers see it', async (t) => {
  const grid = await startSiteGrid(t, { series: [] })
  const admin = await grid.as('admin')
  const scientist = await grid.as('scientist')
  const { config } = grid.provisioned.users.scientist!
  const at = (name: string) => join(grid.source, name)
  const away = join(grid.dir, 'away')
  await mkdir(away)
  const leave = (name: string) => rename(at(name), join(away, name))
  const comeBack = (name: string) => rename(join(away, name), at(name))
  const principal = async (user: User) => {
    const { dn, issuer } = (await grid.as(user)).credential.identity
    return { kind: 'user', dn, issuer } as const
  }
  const to = await principal('scientist')

  await addSeries(grid.source, 'one', { slices: 3 })
  await addSeries(grid.source, 'two', { modality: 'MR' })
  const first = await registerAll(admin)
  const guidOf = (modality: string) =>
    first.flatMap((e) =>
      e.type === 'registered' && e.volume.modality === modality ? [e.volume.guid] : [],
    )[0]!
  const [ct, mr] = [guidOf('CT'), guidOf('MR')]
  await grant(admin, ct, { to, preset: 'process', versions: [1] })

  await t.test('each sees the changes of what he may list, and nobody else anything', async (t) => {
    t.strictSame(told(await changesOf(admin)), [`registered ${ct}@1`, `registered ${mr}@1`].toSorted(), 'all')
    t.strictSame(told(await changesOf(scientist)), [`registered ${ct}@1`])
    const stranger = await grid.as('stranger')
    const nothing = await stranger.site.call(listChanges, { query: {} })
    t.match(nothing, { rows: [], more: false })
    await addSeries(grid.source, 'three')
    await registerAll(admin)
    t.strictSame(await stranger.site.call(listChanges, { query: {} }), nothing, 'not even that there is more')
    t.strictSame(await stranger.site.call(listChanges, { query: { after: nothing.cursor } }), nothing)
  })

  const before = (await changesOf(admin)).at(-1)!.cursor
  const since = async (session: Session, after: string) => await changesOf(session, after)

  await t.test(
    'late slices are a new version, told to readers of the first, who keep what they have',
    async (t) => {
      await addSeries(grid.source, 'one', { slices: 5 })
      await registerAll(admin)
      t.match(await since(scientist, before), [
        { change: 'new-version', guid: ct, version: 2, listed: false },
      ])
      t.match(await since(admin, before), [{ change: 'new-version', guid: ct, version: 2, listed: true }])
      t.match(await volumeRow(scientist, { guid: ct }), { version: 1, latest: 2 })
      await t.rejects(volumeRow(scientist, { guid: ct, version: 2 }), { code: 'MDM_NOT_FOUND' })
      const all = ['acl', 'grant', ct, '--to', to.dn, '--preset', 'process', '--versions', 'all', '--json']
      const granted = await runMdm(all, { config: grid.provisioned.users.admin!.config })
      t.equal(granted.code, 0, granted.stdout)
      t.match(await volumeRow(scientist, { guid: ct }), { version: 2, latest: 2 }, '"versions: all" gives it')
    },
  )

  await t.test(
    'a series that left is gone: marked, announced once, audited, and not found by a query',
    async (t) => {
      await (await getRaw(scientist, { guid: ct })).body[Symbol.asyncIterator]().next()
      await readAll(scientist, ct)
      const cursor = (await changesOf(admin)).at(-1)!.cursor
      await leave('one')
      t.match(ends(await registerAll(admin)), ['gone'])
      t.match(ends(await registerAll(admin)), [], 'said once')
      t.match(await since(scientist, cursor), [{ change: 'gone', guid: ct, version: 2 }])
      t.type((await volumeRow(scientist, { guid: ct })).goneSince, 'string')
      const rows = []
      for await (const row of list(scientist)) rows.push(row)
      t.match(rows, [{ guid: ct, goneSince: /^20/ }], 'ls has it, and says so')
      const found = (await query(scientist, 'modality=CT')).rows
      t.strictSame(found, [], 'a query is for what can be got')
      await t.rejects(
        getRaw(scientist, { guid: ct }),
        { code: 'MDM_GONE', exitCode: 3 },
        'not from the spool either',
      )
      await t.rejects(getRaw(await grid.as('stranger'), { guid: ct }), { code: 'MDM_NOT_FOUND' })
      const records = (await auditOf(grid.provisioned.site.dir)).filter((r) => r.event === 'volume-gone')
      t.match(records, [{ guid: ct }])
      t.strictSame(siteRows(grid, 'select id from quarantine'), [], 'nothing was refused')
      const stat = await runMdm(['stat', ct], { config })
      t.match(stat.stdout, /gone from its source +20\d\d-/)
      t.match((await runMdm(['ls'], { config })).stdout, /since 20\d\d-/)
      t.equal((await runMdm(['get', ct, '-o', join(grid.dir, 'x.nrrd'), '--json'], { config })).code, 3)
    },
  )

  await t.test('no key server lost anything: whoever has the ciphertext can read it still', async (t) => {
    const [row] = siteRows(grid, `select kid from versions where guid = '${ct}' and version = 2`)
    t.ok((await fetchFileKey(scientist, ct, Kid.parse(row!['kid']), {})).fileKey)
  })

  await t.test('when the series returns as it was, the same version is there again', async (t) => {
    const cursor = (await changesOf(admin)).at(-1)!.cursor
    await comeBack('one')
    t.match(ends(await registerAll(admin)), ['returned'])
    t.match(await since(scientist, cursor), [{ change: 'returned', guid: ct, version: 2 }])
    t.equal((await volumeRow(scientist, { guid: ct })).goneSince, undefined)
    await readAll(scientist, ct)
    t.match((await query(scientist, 'modality=CT')).rows, [{ guid: ct, version: 2 }])
  })

  await t.test('when it returns with other slices, the next version is there', async (t) => {
    await leave('two')
    await registerAll(admin)
    await rm(join(away, 'two'), { recursive: true })
    const cursor = (await changesOf(admin)).at(-1)!.cursor
    await addSeries(grid.source, 'two', { modality: 'MR', slices: 6 })
    await registerAll(admin)
    t.match(await since(admin, cursor), [{ change: 'new-version', guid: mr, version: 2 }])
    t.equal((await volumeRow(admin, { guid: mr })).goneSince, undefined)
  })

  await t.test('a series that lost a slice in the middle is gone, and back when it is whole', async (t) => {
    const { files } = await addSeries(grid.source, 'four', { slices: 6 })
    const [made] = (await registerAll(admin)).flatMap((e) => (e.type === 'registered' ? [e.volume.guid] : []))
    await rename(files[2]!, join(away, 'slice'))
    t.strictSame(ends(await registerAll(admin)), ['refused', 'gone'])
    await t.rejects(getRaw(admin, { guid: made! }), { code: 'MDM_GONE' })
    await rename(join(away, 'slice'), files[2]!)
    t.strictSame(ends(await registerAll(admin)), ['returned'])
    t.strictSame(siteRows(grid, 'select id from quarantine'), [], 'its row went by itself')
  })

  await t.test('a slice too many is refused, and what was registered can be got as before', async (t) => {
    const extra = { attributes: (k: number) => ({ ImagePositionPatient: [0, 0, [0, 2, 4, 6, 99][k]!] }) }
    await addSeries(grid.source, 'five', { slices: 4 })
    const [made] = (await registerAll(admin)).flatMap((e) => (e.type === 'registered' ? [e.volume.guid] : []))
    await addSeries(grid.source, 'five', { slices: 5, ...extra })
    t.strictSame(ends(await registerAll(admin)), ['refused'])
    await readAll(admin, made!)
    await rm(at('five'), { recursive: true })
    t.strictSame(ends(await registerAll(admin)), ['gone'])
  })

  await t.test('the command pages, continues from its cursor, and takes a time', async (t) => {
    const mine = { config: grid.provisioned.users.admin!.config }
    const whole = await runMdm(['ls', '--changed', '--json'], mine)
    t.equal(whole.code, 0, whole.stdout)
    const rows = whole.json.rows as ChangeRow[]
    t.strictSame(
      rows.map(({ cursor }) => cursor),
      (await changesOf(admin)).map(({ cursor }) => cursor),
    )
    t.equal(whole.json.cursor, rows.at(-1)!.cursor)
    const rest = await runMdm(['ls', '--changed', '--since', rows[1]!.cursor, '--json'], mine)
    t.strictSame(rest.json, { rows: rows.slice(2), cursor: whole.json.cursor })
    const none = await runMdm(['ls', '--changed', '--since', whole.json.cursor, '--json'], mine)
    t.strictSame(none.json, { rows: [], cursor: whole.json.cursor }, 'and stands still where nothing happens')
    const timed = await runMdm(['ls', '--changed', '--since', rows[3]!.time, '--json'], mine)
    t.strictSame(timed.json.rows[0], rows[3])
    t.equal((await runMdm(['ls', '--changed', '--since', '2099-01-01', '--json'], mine)).json.rows.length, 0)
    const shown = await runMdm(['ls', '--changed', '--since', '1d'], mine)
    t.match(shown.stdout, /^time +change +guid +version +lfn\n/)
    t.match(shown.stderr, `--since ${whole.json.cursor}`)
    for (const wrong of ['yesterday', 'A'.repeat(22)])
      t.equal((await runMdm(['ls', '--changed', '--since', wrong, '--json'], mine)).code, 2, wrong)
    const paged = []
    for (let after: string | undefined; ;) {
      const page = await admin.site.call(listChanges, { query: { limit: 2, after } })
      paged.push(...page.rows)
      if (!page.more) break
      after = page.cursor
    }
    t.strictSame(paged, rows)
  })
})

async function changesOf(session: Session, after?: string): Promise<ChangeRow[]> {
  const rows: ChangeRow[] = []
  for await (const page of changes(session, { after })) rows.push(...page.rows)
  return rows
}

const told = (rows: readonly ChangeRow[]) =>
  rows.map(({ change, guid, version }) => `${change} ${guid}@${version}`).toSorted()

/** What became of volumes, but for those that were known. */
function ends(events: readonly FollowedEvent[]): string[] {
  const last = events.at(-1)
  if (last?.type !== 'done') throw new Error(`the job ended with ${JSON.stringify(last)}`)
  return events.map(({ type }) => type).filter((type) => !['progress', 'already', 'done'].includes(type))
}

async function readAll(session: Session, guid: Guid): Promise<void> {
  for await (const _ of (await getRaw(session, { guid })).body);
}
