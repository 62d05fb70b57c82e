import { createHash } from 'node:crypto'
import t from 'tap'
import { grant } from '../../../packages/core/src/access/acl.ts'
import { list, metadataOf, volumeRow } from '../../../packages/core/src/access/metadata.ts'
import { openVolume } from '../../../packages/core/src/access/decrypt.ts'
import { newGuid, type Guid } from '../../../packages/core/src/names.ts'
import { getAcl, getVolume, listVolumes } from '../../../packages/core/src/wire/site.ts'
import { plainRequest } from '../../fixtures/plain-request.ts'
import { siteRows } from '../register/invariants.ts'
import { registerAll, startSiteGrid, type User } from '../site-grid.ts'

t.test('what a caller may know', async (t) => {
  const grid = await startSiteGrid(t, { series: [{}, { modality: 'MR' }] })
  const admin = await grid.as('admin')
  await registerAll(admin)
  const [volume, other] = siteRows(grid, 'select * from volumes order by guid') as {
    guid: Guid
    lfn: string
  }[]
  const guid = volume!.guid
  const { surl } = await volumeRow(admin, { guid })
  const instance = siteRows(
    grid,
    `select instance_guid from slices where guid = '${guid}' and slice_index = 2`,
  )[0]!.instance_guid as Guid
  const principal = async (user: User) => {
    const { dn, issuer } = (await grid.as(user)).credential.identity
    return { kind: 'user', dn, issuer } as const
  }
  await grant(admin, guid, { to: await principal('backup'), preset: 'replicate', versions: 'all' })

  await t.test(
    'to a stranger a real and an invented name are answered alike on every endpoint',
    async (t) => {
      const { config } = grid.provisioned.users.stranger!
      const invented = newGuid()
      const at = (path: string) => `${grid.provisioned.site.api}/v1/${path}`
      const pairs: [string, string][] = [
        [guid, invented],
        [`${guid}@1`, `${invented}@1`],
        [instance, invented],
        [volume!.lfn, '/demo/folder/CT/999999'],
        [surl, surl.replace(guid, invented)],
      ]
      const same = async (real: string, other: string, o: { method?: string; body?: unknown } = {}) => {
        const answers = [await plainRequest(config, at(real), o), await plainRequest(config, at(other), o)]
        t.strictSame(answers[0], answers[1], real)
        t.equal(answers[0]!.status, 404, real)
      }
      for (const [real, other] of pairs) {
        for (const path of ['content/NAME', 'volumes/NAME', 'volumes/NAME/metadata']) {
          await same(
            path.replace('NAME', encodeURIComponent(real)),
            path.replace('NAME', encodeURIComponent(other)),
          )
        }
      }
      for (const path of ['volumes/GUID/acl', `volumes/GUID/preparations/${'A'.repeat(43)}`]) {
        for (const real of [guid, instance])
          await same(path.replace('GUID', real), path.replace('GUID', invented))
      }
      for (const object of ['file', 'key', 'metadata:patient', 'ban']) {
        const path = (scope: string) => `statements/demo/${scope}/${encodeURIComponent(object)}`
        for (const real of [guid, instance]) await same(path(real), path(invented))
      }
      t.strictSame(JSON.parse((await plainRequest(config, at('volumes'))).body), { rows: [] })
    },
  )

  await t.test('with list, what is missing is named with the preset to ask for', async (t) => {
    const backup = await grid.as('backup')
    t.match(await volumeRow(backup, { guid }), { guid, version: 1 })
    await t.rejects(backup.site.call(getAcl, { params: { guid } }), {
      code: 'MDM_DENIED',
      details: { preset: 'admin' },
    })
    t.match(await metadataOf(backup, { guid }), { tables: {} })
    await t.rejects(volumeRow(backup, { guid: other!.guid }), { code: 'MDM_NOT_FOUND' })
    await t.rejects(volumeRow(backup, { guid, version: 2 }), { code: 'MDM_NOT_FOUND' })
  })

  await t.test('shape and modality are only for those who may read them', async (t) => {
    const row = await volumeRow(await grid.as('backup'), { guid })
    t.notOk(Object.hasOwn(row, 'shape') || Object.hasOwn(row, 'modality'))
    t.match(await volumeRow(admin, { guid }), { shape: [8, 6, 4], modality: /^(CT|MR)$/ })
  })

  await t.test('the digest of the voxels is only for those who may read them', async (t) => {
    t.notOk(Object.hasOwn(await volumeRow(admin, { guid }), 'plaintextSha256'), 'nothing was delivered yet')
    const opened = await openVolume(admin, { guid })
    const hash = createHash('sha256')
    for await (const piece of opened.stream()) hash.update(piece)
    await opened.close()
    const plaintextSha256 = hash.digest('hex')
    t.match(await volumeRow(admin, { guid }), { plaintextSha256, latest: 1, replicas: [surl] })
    const row = await volumeRow(await grid.as('backup'), { guid })
    t.strictSame(
      Object.keys(row).toSorted(),
      ['bytes', 'guid', 'latest', 'lfn', 'may', 'registered', 'replicas', 'surl', 'version'],
      'who may only copy is told nothing of the voxels',
    )
  })

  await t.test('GUID, LFN, SURL and the GUID of a slice name the same volume', async (t) => {
    const row = await volumeRow(admin, { guid })
    for (const name of [row.lfn, row.surl, `${guid}@1`, instance]) {
      t.strictSame(await admin.site.call(getVolume, { params: { name } }), row, name)
    }
  })

  await t.test('rights on one slice are refused with the GUID of its volume', async (t) => {
    for (const user of ['admin', 'backup'] as const) {
      const session = await grid.as(user)
      await t.rejects(
        session.site.call(getAcl, { params: { guid: instance } }),
        { code: 'MDM_USAGE', details: { guid } },
        user,
      )
    }
    await t.rejects(grant(admin, instance, { to: await principal('backup'), preset: 'process' }))
    t.strictSame(siteRows(grid, `select * from statements where scope = '${instance}'`), [])
  })

  await t.test('the list comes page by page, each page by GUID', async (t) => {
    const first = await admin.site.call(listVolumes, { query: { limit: 1 } })
    t.strictSame([first.rows.map((row) => row.guid), first.next], [[guid], guid])
    const rest = await admin.site.call(listVolumes, { query: { limit: 1, after: first.next! } })
    t.strictSame([rest.rows.map((row) => row.guid), rest.next], [[other!.guid], undefined])
    const backup = []
    for await (const row of list(await grid.as('backup'))) backup.push(row.guid)
    t.strictSame(backup, [guid])
  })

  await t.test('a name that is none is a malformed request, whoever asks', async (t) => {
    for (const user of ['admin', 'stranger'] as const) {
      const session = await grid.as(user)
      for (const name of ['nonsense', `${guid}@0`, '../etc/passwd', '/demo/folder/CT']) {
        await t.rejects(session.site.call(getVolume, { params: { name } }), { code: 'MDM_BAD_REQUEST' }, name)
      }
    }
  })
})
