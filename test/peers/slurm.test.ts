import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import t from 'tap'
import { grant } from '@mdm/core/access/acl'
import { fetchFileKey } from '@mdm/core/access/file-key'
import { getRaw } from '@mdm/core/access/raw'
import { runMdm } from '../fixtures/grid.ts'
import { inAllForms, leftBehind, type Secret } from '../fixtures/left-behind.ts'
import { pathWithMdm } from '../fixtures/mdm-in-path.ts'
import { startSlurm } from '../fixtures/peers/slurm.ts'
import { registerAll, startSiteGrid } from '../server/site-grid.ts'

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
  const shared = join(grid.dir, 'shared')
  await mkdir(shared)
  const { config } = grid.provisioned.users['scientist']!
  // What the node has of its own: the roster, and nobody's key.
  const { credential: _, ...rosters } = JSON.parse(await readFile(config, 'utf8'))
  const ofNode = join(dirname(config), 'node.json')
  await writeFile(ofNode, JSON.stringify(rosters))
  const credentials = guids.map((guid) => join(shared, `${guid}.cred`))
  for (const [i, guid] of guids.entries()) {
    const args = ['credential', 'delegate', '--guid', guid, '--hours', '1', '-o', credentials[i]!]
    const made = await runMdm(args, { config })
    t.equal(made.code, 0, made.stderr)
  }
  const lines = [
    ...guids.map((guid, i) => `${guid} ${credentials[i]}`),
    `${guids[0]} ${credentials[1]}`,
    guids[0],
  ]
  await writeFile(join(folder, 'list'), `${lines.join('\n')}\n`)
  const env = { PATH: pathWithMdm(grid.dir), HOME: home, NO_COLOR: '1', MDM_CONFIG: ofNode }
  const since = Date.now() - 1_000
  const ended = await slurm.run(['--array=1-4', EXAMPLE, 'list'], { cwd: folder, env })

  const results = async (ending: string) => {
    const files = (await readdir(folder)).filter((name) => name.endsWith(ending)).toSorted()
    return await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8')))
  }
  const complaints = await results('.err')
  t.match(
    ended,
    [
      { task: 1, state: 'COMPLETED', exitCode: 0 },
      { task: 2, state: 'COMPLETED', exitCode: 0 },
      { task: 3, state: 'FAILED', exitCode: 3 },
      { task: 4, state: 'FAILED', exitCode: 2 },
    ],
    complaints.join('\n'),
  )
  const means = volumes.map((v) => (v.reduce((a, b) => a + b, 0) / v.length).toFixed(3)).toSorted()
  const said = (await results('.csv')).map((text) => text.trim().split(','))
  t.strictSame(
    said.slice(0, 2).map(([guid]) => guid),
    guids,
    'each task worked on its line of the list',
  )
  t.strictSame(
    said
      .slice(0, 2)
      .map(([, mean]) => mean)
      .toSorted(),
    means,
  )
  t.strictSame(
    said.slice(2),
    [[''], ['']],
    'no result with the credential of another volume, nor without one',
  )

  const secrets: Secret[] = volumes.map((v) => ({ what: 'voxels', bytes: Buffer.from(v.buffer, 0, 64) }))
  for (const guid of guids) {
    const raw = await getRaw(scientist, { guid })
    const { fileKey } = await fetchFileKey(scientist, guid, raw.kid, {})
    for await (const _ of raw.body);
    secrets.push(...inAllForms('file key', fileKey.export()))
  }
  for (const file of [scientist.config.credential!.key, ...credentials]) {
    const [, body = ''] = /PRIVATE KEY-----\n([^-]+)/.exec(await readFile(file, 'utf8')) ?? []
    // A line from the middle: every key of a kind begins alike.
    const key = body.split('\n').at(body.length / 130) ?? ''
    t.ok(key.length > 32)
    secrets.push({ what: 'private key', bytes: Buffer.from(key) })
  }

  t.match(
    (await leftBehind([grid.source, shared], secrets)).map((text) => text.split(': ')[1]),
    ['voxels', 'voxels', 'private key', 'private key'],
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
    (await readdir(folder)).filter((name) => !/^(home|list|mdm-[0-9]+-[1-4]\.(csv|err))$/.test(name)),
    [],
    'and no other file in the folder of the job',
  )
})
