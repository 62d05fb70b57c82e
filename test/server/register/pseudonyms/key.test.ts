import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { grant } from '../../../../packages/core/src/access/acl.ts'
import { openVolume } from '../../../../packages/core/src/access/decrypt.ts'
import { query } from '../../../../packages/core/src/access/metadata.ts'
import { keyServerPeers, type Session } from '../../../../packages/core/src/access/session.ts'
import { gatherFileKey } from '../../../../packages/core/src/grid/key-servers.ts'
import { loadCredential } from '../../../../packages/core/src/identity/credential.ts'
import { Guid, Kid } from '../../../../packages/core/src/names.ts'
import { getShares } from '../../../../packages/core/src/wire/key-server.ts'
import { addSeries, registerAll, startSiteGrid, until, type SiteGrid } from '../../site-grid.ts'
import { checkInvariants, siteRows } from '../invariants.ts'
import { guidsOf, hasKey, keyRow, pseudonyms, waitsFor } from './looks.ts'

const patient = { name: 'DOE^JANE', id: 'PSEUDO-1' }

const volumes = async (session: Session) => (await guidsOf(session)).length

/** The pseudonym key itself, asked for with the site's own certificate. */
async function secretOf(grid: SiteGrid, admin: Session): Promise<Buffer> {
  const { dir } = grid.provisioned.site
  const tls = await loadCredential({ certificate: join(dir, 'tls.pem'), key: join(dir, 'tls.key') })
  const servers = keyServerPeers(admin.roster, tls)
  const { guid, kid } = keyRow(grid)
  const { fileKey } = await gatherFileKey({
    ...{ servers, site: admin.roster.body.site, guid: Guid.parse(guid), kid: Kid.parse(kid) },
    ...{ threshold: 2, signers: admin.roster.signers },
  })
  await Promise.all(servers.map(({ peer }) => peer.close()))
  return fileKey.export()
}

t.test('one patient has one pseudonym at a site and another at the next', async (t) => {
  const sites = await Promise.all([0, 1].map(() => startSiteGrid(t, { series: [{ patient }, { patient }] })))
  for (const grid of sites) await registerAll(await grid.as('admin'))
  const [[here, ...more], [there]] = sites.map(pseudonyms) as [string[], string[]]
  t.match(here, /^p1_[a-z2-7]{26}$/)
  t.strictSame(more, [], 'two series of one patient')
  t.match(there, /^p1_/)
  t.not(here, there)
  const uids = sites.map((grid) => siteRows(grid, 'select series_uid, series_pseudonym from dicom'))
  t.strictSame(...(uids.map((rows) => rows.map((row) => row.series_uid).toSorted()) as [string[], string[]]))
  const made = uids.flat().map((row) => String(row.series_pseudonym))
  t.equal(new Set(made).size, 4, 'no stand-in of a UID is the same at two sites')

  const [grid] = sites as [SiteGrid]
  const admin = await grid.as('admin')
  await checkInvariants(t, grid, admin, 2)

  await t.test('the key is on no disk, and key servers give it to the site only', async (t) => {
    const secret = await secretOf(grid, admin)
    const spellings = [
      secret,
      ...(['hex', 'base64', 'base64url'] as const).map((form) => secret.toString(form)),
    ]
    for (const entry of await readdir(grid.dir, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue
      const bytes = await readFile(join(entry.parentPath, entry.name)).catch(() => Buffer.alloc(0))
      t.notOk(
        spellings.some((text) => bytes.includes(text)),
        entry.name,
      )
    }
    const guid = Guid.parse(keyRow(grid).guid)
    for (const user of ['admin', 'physician', 'scientist', 'stranger'] as const)
      for (const { peer } of (await grid.as(user)).keyServers)
        await t.rejects(peer.call(getShares, { params: { guid } }), { code: 'MDM_NOT_FOUND' })
  })

  await t.test('researchers group volumes by study without a UID', async (t) => {
    const { dn, issuer } = admin.credential.identity
    const scientist = { kind: 'user' as const, issuer, dn: dn.replace('admin', 'scientist') as typeof dn }
    for (const guid of await guidsOf(admin)) await grant(admin, guid, { to: scientist, preset: 'research' })
    const session = await grid.as('scientist')
    const { rows, withheld } = await query(session, 'modality=CT')
    t.equal(rows.length, 2)
    for (const row of rows) {
      t.match(row.study_pseudonym, /^2\.25\.\d+$/)
      t.match(row, { patient_id: here, shifted_date: null, age: null })
      t.notMatch(JSON.stringify(row), /DOE|PSEUDO-1/)
      for (const { study_uid, series_uid } of siteRows(grid, 'select study_uid, series_uid from dicom'))
        for (const uid of [study_uid, series_uid]) t.notOk(JSON.stringify(row).includes(String(uid)))
    }
    t.ok(withheld.includes('dicom.study_uid'))
    const [row] = rows
    t.equal((await query(session, `study_pseudonym='${row!.study_pseudonym}'`)).rows.length, 1)
    await t.rejects(query(session, "study_uid='1.2.3'"), { code: 'MDM_QUERY' })
  })
})

t.test(
  'a site whose key servers are too few starts, and registers by itself once they are back',
  async (t) => {
    const grid = await startSiteGrid(t, { series: [{ patient }] })
    const admin = await grid.as('admin')
    await registerAll(admin)
    const [before] = pseudonyms(grid)
    const [guid] = (await guidsOf(admin)) as [Guid]
    const volume = await openVolume(admin, { guid })
    for await (const _ of volume.stream());
    await volume.close()
    await grid.stopSite()
    await grid.stopKeyServer(1)
    await grid.stopKeyServer(2)

    await grid.startSite()
    t.equal(await volumes(admin), 1, 'what is registered is there')
    await until(async () => (await waitsFor(admin))?.includes('pseudonym-key') === true)
    await addSeries(grid.source, 'more', { patient })
    const events = await registerAll(admin)
    t.match(
      events.find(({ type }) => type === 'waiting'),
      { code: 'MDM_WAITING' },
    )
    t.match(
      events.find(({ type }) => type === 'already'),
      { guid },
    )
    t.same(siteRows(grid, `select code from journal where state = 'WAITING'`), [{ code: 'MDM_WAITING' }])

    await grid.startKeyServer(1)
    await until(async () => hasKey(grid, 2))
    const again = await openVolume(admin, { guid })
    let bytes = 0
    for await (const chunk of again.stream()) bytes += chunk.length
    await again.close()
    t.ok(bytes > 0, 'with m of them gets go on, and the key of pseudonyms is there')
    t.equal(await volumes(admin), 1, 'a new volume needs all of them')

    await grid.startKeyServer(2)
    await until(async () => (await volumes(admin)) === 2)
    t.strictSame(pseudonyms(grid), [before])
    await checkInvariants(t, grid, admin, 2)
  },
)
