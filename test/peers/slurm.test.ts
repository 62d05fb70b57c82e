import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import t from 'tap'
import { grant } from '@mdm/core/access/acl'
import { fetchFileKey } from '@mdm/core/access/file-key'
import { getRaw } from '@mdm/core/access/raw'
import { inAllForms, leftBehind, type Secret } from '../fixtures/left-behind.ts'
import { pathWithMdm } from '../fixtures/mdm-in-path.ts'
import { startSlurm } from '../fixtures/peers/slurm.ts'
import { registerAll, startSiteGrid } from '../server/site-grid.ts'

t.setTimeout(120_000)

const EXAMPLE = resolve(import.meta.dirname, '../../examples/slurm-array.sh')
const [COLUMNS, ROWS, SLICES] = [32, 24, 5]

/** Voxels that are in no other file of this machine. */
function noise(): Int16Array {
  return Int16Array.from(new Uint16Array(randomBytes(COLUMNS * ROWS * SLICES * 2).buffer), (v) => v & 0xfff)
}

t.test('an array job computes on volumes, and leaves nothing readable on the node', async (t) => {
  const slurm = await startSlurm(t)
  if (slurm === undefined) return t.pass('skipped: Slurm is not installed here')
  const volumes = [noise(), noise()]
  const grid = await startSiteGrid(t, {
    series: volumes.map((voxels) => ({
      ...{ columns: COLUMNS, rows: ROWS, slices: SLICES },
      voxel: (i, j, k) => voxels[(k * ROWS + j) * COLUMNS + i]!,
    })),
  })
  const admin = await grid.as('admin')
  const scientist = await grid.as('scientist')
  const { dn, issuer } = scientist.credential.identity
  const guids = (await registerAll(admin)).flatMap((e) => (e.type === 'registered' ? [e.volume.guid] : []))
  t.equal(guids.length, 2)
  for (const guid of guids) await grant(admin, guid, { to: { kind: 'user', dn, issuer }, preset: 'process' })

  const folder = join(grid.dir, 'job')
  const home = join(folder, 'home')
  await mkdir(home, { recursive: true })
  const invented = '3f2504e0-4f89-41d3-9a0c-0305e82c3301'
  await writeFile(join(folder, 'list'), [...guids, invented].map((guid) => `${guid}\n`).join(''))
  const env = {
    ...{ PATH: pathWithMdm(grid.dir), HOME: home, NO_COLOR: '1' },
    MDM_CONFIG: grid.provisioned.users['scientist']!.config,
  }
  const since = Date.now() - 1_000
  const ended = await slurm.run(['--array=1-3', EXAMPLE, 'list'], { cwd: folder, env })

  const results = async (ending: string) => {
    const files = (await readdir(folder)).filter((name) => name.endsWith(ending)).toSorted()
    return await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8')))
  }
  const complaints = await results('.err')
  t.strictSame(
    ended,
    [1, 2]
      .map((task) => ({ task, state: 'COMPLETED', exitCode: 0 }))
      .concat({ task: 3, state: 'FAILED', exitCode: 3 }),
    complaints.join('\n'),
  )
  const means = volumes.map((v) => (v.reduce((a, b) => a + b, 0) / v.length).toFixed(3)).toSorted()
  const lines = (await results('.csv')).map((text) => text.trim().split(','))
  t.strictSame(
    lines.slice(0, 2).map(([guid]) => guid),
    guids,
    'each task worked on its line of the list',
  )
  t.strictSame(
    lines
      .slice(0, 2)
      .map(([, mean]) => mean)
      .toSorted(),
    means,
  )
  t.strictSame(lines[2], [''], 'no result where there is no volume')
  t.match(complaints[2], `${invented}: failed (exit code 3)`)

  const secrets: Secret[] = volumes.map((v) => ({ what: 'voxels', bytes: Buffer.from(v.buffer, 0, 64) }))
  for (const guid of guids) {
    const raw = await getRaw(scientist, { guid })
    const { fileKey } = await fetchFileKey(scientist, guid, raw.kid, {})
    for await (const _ of raw.body);
    secrets.push(...inAllForms('file key', fileKey.export()))
  }
  const own = await readFile(scientist.config.credential!.key, 'utf8')
  secrets.push({ what: 'private key', bytes: Buffer.from(own.split('\n')[2]!) })

  t.match(
    await leftBehind([grid.source], secrets),
    Array(2).fill(/: voxels$/),
    'what is looked for is found where it is',
  )
  t.strictSame(
    await leftBehind([folder, slurm.folder], secrets),
    [],
    'in the folders of the job and of Slurm',
  )
  const others = await leftBehind(['/tmp', '/dev/shm', '/var/tmp'], secrets, { since, except: [grid.dir] })
  t.strictSame(others, [], 'in the folders that all jobs of a node share')
  t.strictSame(
    (await readdir(folder)).filter((name) => !/^(home|list|mdm-[0-9]+-[1-3]\.(csv|err))$/.test(name)),
    [],
    'and no other file in the folder of the job',
  )
})
