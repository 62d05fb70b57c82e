import { execFile } from 'node:child_process'
import { readdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { startGrid, type User } from './fixtures/grid.ts'

const run = promisify(execFile)
const EXAMPLES = resolve(import.meta.dirname, '../examples')

t.test('every example runs and does what it says', async (t) => {
  const grid = await startGrid(t)
  const { registered } = (await grid.ok('admin', ['register', '--json'])).json
  const { guid, shape } = registered.find((v: { modality: string }) => v.modality === 'MR')
  await grid.ok('admin', ['acl', 'grant', guid, '--to', grid.users.backup.dn, '--preset', 'replicate'])
  await grid.ok('admin', ['acl', 'grant', guid, '--to', grid.users.scientist.dn, '--preset', 'process'])
  const ran = new Set<string>()
  const example = async (user: User, name: string, ...args: string[]) => {
    ran.add(name)
    const env = { ...process.env, MDM_CONFIG: grid.users[user].config }
    const { stdout } = await run(
      process.execPath,
      ['--conditions=@mdm/source', join(EXAMPLES, name), ...args],
      { env },
    )
    return stdout
  }
  const voxelBytes = shape[0] * shape[1] * shape[2] * 2
  const copy = join(grid.scratch, 'copy.mdm')
  t.match(await example('backup', 'level-1-raw.ts', guid, copy), /bytes of ciphertext/)
  t.ok((await stat(copy)).size > voxelBytes, 'the copy holds the whole volume')
  t.match(
    await example('scientist', 'level-2-decrypt.ts', guid),
    `the whole volume has ${voxelBytes} bytes of voxels`,
  )
  t.match(
    await example('scientist', 'level-3-metadata.ts', 'modality=MR'),
    /^1 volumes, [1-9][0-9]* columns withheld/,
  )
  t.same(
    [...ran].sort(),
    (await readdir(EXAMPLES)).filter((f) => f.endsWith('.ts')).sort(),
    'no example is left out',
  )
})
