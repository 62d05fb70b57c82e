import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { startGrid } from '../fixtures/grid.ts'

t.test('an instance GUID is a name for one slice, with the rights of its volume', async (t) => {
  const grid = await startGrid(t)
  const { registered } = (await grid.ok('admin', ['register', '--json'])).json
  const { guid, shape } = registered.find((v: { modality: string }) => v.modality === 'CT')
  await grid.ok('admin', ['acl', 'grant', guid, '--to', grid.users.scientist.dn, '--preset', 'process'])
  const { rows } = (await grid.ok('scientist', ['ls', '--instances', guid, '--json'])).json
  t.equal(rows.length, shape[2], 'one for each slice')
  t.strictSame(
    rows.map((r: { slice: number }) => r.slice),
    rows.map((_: unknown, k: number) => k),
    'in the order of the volume',
  )

  const slice = { guid: rows[17].guid, file: join(grid.scratch, 'slice.nrrd') }
  const got = (await grid.ok('scientist', ['get', `instance:${slice.guid}`, '-o', slice.file, '--json'])).json
    .files[0]
  t.equal(got.guid, guid, 'the volume is named')
  const same = join(grid.scratch, 'same.nrrd')
  await grid.ok('scientist', ['get', guid, '--slices', '17', '-o', same])
  t.strictSame(await readFile(slice.file), await readFile(same), 'it is slice 17')

  const bare = await grid.mdm('scientist', ['get', slice.guid, '-o', slice.file, '--json'])
  t.equal(bare.json.error.code, 'MDM_USAGE', 'a bare GUID never means a part of another')
  t.match(bare.json.error.message, guid)
  const granted = await grid.mdm('admin', [
    'acl',
    'grant',
    slice.guid,
    '--to',
    grid.users.backup.dn,
    '--preset',
    'replicate',
    '--json',
  ])
  t.equal(granted.code, 2, 'rights belong to the volume')
  t.match(granted.json.error.message, guid, 'which is named')
  t.equal((await grid.mdm('stranger', ['get', `instance:${slice.guid}`, '--json'])).code, 3)
  t.equal((await grid.mdm('stranger', ['ls', '--instances', guid, '--json'])).code, 3)
})
