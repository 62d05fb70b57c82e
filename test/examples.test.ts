import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import t from 'tap'
import { startGrid, type Grid, type User } from './fixtures/grid.ts'
import { pathWithMdm } from './fixtures/mdm-in-path.ts'
import { gone, restartSite } from './fixtures/site-process.ts'

t.setTimeout(300_000)

const run = promisify(execFile)
const EXAMPLES = resolve(import.meta.dirname, '../examples')
/** These need a batch system or grid clients, and run in test/peers. */
const WITH_PEERS = ['slurm-array.sh', 'grid-job.sh', 'arc-job.sh']

t.test('every example runs and does what it says', async (t) => {
  const grid = await startGrid(t)
  const path = pathWithMdm(grid.scratch)
  const ran = new Set<string>()
  const example = async (user: User, name: string, ...args: string[]) => {
    ran.add(name)
    const env = { ...process.env, MDM_CONFIG: grid.users[user].config }
    const node = ['--conditions=@mdm/source', join(EXAMPLES, name), ...args]
    return (await run(process.execPath, node, { env })).stdout
  }
  /** Runs a script in a folder of its own, and says what it left there. */
  const script = async (
    user: User,
    name: string,
    args: string[] = [],
    input = '',
    config = grid.users[user].config,
  ) => {
    ran.add(name)
    const cwd = join(grid.scratch, `${name}-${process.hrtime.bigint()}`)
    await mkdir(cwd)
    const env = {
      ...process.env,
      NO_COLOR: '1',
      PATH: path,
      TMPDIR: cwd,
      MDM_CONFIG: config,
    }
    const child = spawn(join(EXAMPLES, name), args, { cwd, env, stdio: ['pipe', 'pipe', 'pipe'] })
    child.stdin.on('error', () => {}).end(input)
    const said = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
    return { code: child.exitCode, stdout: said[0], stderr: said[1], left: await readdir(cwd) }
  }

  await restartSite(grid, async () => {
    const file = join(grid.site.dir, 'site.json')
    const config = JSON.parse(await readFile(file, 'utf8'))
    const policy = policyOf(await readFile(join(EXAMPLES, 'README.md'), 'utf8'))
    await writeFile(file, JSON.stringify({ ...config, policy }))
  })

  await t.test('1: what was acquired is registered, and the policy says who has what', async (t) => {
    const first = await script('admin', 'acquisition.sh')
    t.equal(first.code, 0, first.stderr)
    t.equal(first.stdout.match(/^GUID /gm)?.length, 2)
    t.match(first.stdout, /^key +group:radiology +read/m)
    t.match(first.stdout, /^file +group:backup +/m)
    t.notMatch(first.stdout, /^key +group:backup/m)
  })

  const rows = (await grid.ok('admin', ['ls', '--json'])).json.rows
  const { guid, surl, shape, bytes } = rows.find((v: { modality: string }) => v.modality === 'MR')
  const voxelBytes = shape[0] * shape[1] * shape[2] * 2
  const inFolder = (name: string) => join(grid.scratch, name)

  await t.test('2: a physician of the team gets the image and the record', async (t) => {
    const share = await script(
      'admin',
      'share-with-group.sh',
      ['radiology', 'clinical', grid.users.physician.dn],
      guid,
    )
    t.equal(share.code, 0, share.stderr)
    const { code, stderr } = await script('physician', 'physician.sh', ['modality=MR', inFolder('patient')])
    t.equal(code, 0, stderr)
    t.strictSame((await readdir(inFolder('patient'))).toSorted(), [`${guid}.nii.gz`, 'record.csv'].toSorted())
    t.match(await readFile(inFolder('patient/record.csv'), 'utf8'), /patient_name/)
    t.equal((await stat(inFolder('patient/record.csv'))).mode & 0o077, 0, 'for nobody else')
  })

  await t.test('3: a study computes without identity, and nothing readable stays on the node', async (t) => {
    const share = await script(
      'admin',
      'share-with-group.sh',
      ['study', 'process', grid.users.scientist.dn],
      guid,
    )
    t.equal(share.code, 0, share.stderr)
    const { code, stdout, stderr, left } = await script('scientist', 'study.sh', ['modality=MR'])
    t.equal(code, 0, stderr)
    t.match(stdout, new RegExp(`^${guid},\\d+\\.\\d{3}\n$`))
    t.equal(stdout.split(',')[1], await meanOf(grid, guid))
    t.strictSame(left, [], 'no file of any kind')
    const physician = await script('physician', 'study.sh', ['modality=MR'])
    t.match([physician.code, physician.stdout], [1, ''], 'not for an account that may read names')
  })

  await t.test('4: a backup copies ciphertext once, and every key server refuses it', async (t) => {
    const member = ['group', 'add', 'backup', '--member', grid.users.backup.dn]
    await grid.ok('admin', member)
    const night = () => script('backup', 'nightly-backup.sh', [inFolder('vault')])
    t.match(await night(), { code: 0, stdout: '2 fetched, 0 there already, 0 failed\n' })
    const copy = inFolder(`vault/${guid}.mdm`)
    const { mtimeMs, size } = await stat(copy)
    t.equal(size, bytes)
    const other = inFolder(`vault/${rows.find((v: { guid: string }) => v.guid !== guid).guid}.mdm`)
    await writeFile(other, (await readFile(other)).subarray(0, 5000))
    t.match(
      await night(),
      { code: 0, stdout: '1 fetched, 1 there already, 0 failed\n' },
      'a damaged one is replaced',
    )
    t.equal((await stat(copy)).mtimeMs, mtimeMs, 'a whole one is not touched')
    const status = await grid.mdm('backup', ['key', 'status', guid, '--json'])
    t.equal(status.code, 4)
    for (const server of status.json.keys[0].servers) t.equal(server.share, 'none', server.url)
  })

  await t.test('a job with a capability needs no certificate of a user, and leaves nothing', async (t) => {
    const { credential: _, ...nobody } = JSON.parse(await readFile(grid.users.scientist.config, 'utf8'))
    const config = join(dirname(grid.users.scientist.config), 'node.json')
    await writeFile(config, JSON.stringify(nobody))
    const capability = inFolder('job.cred')
    await grid.ok('scientist', ['credential', 'delegate', '--guid', guid, '-o', capability])
    const job = () => script('scientist', 'plain-shell-job.sh', [capability], '', config)
    const { code, stdout, stderr, left } = await job()
    t.equal(code, 0, stderr)
    const [name, sha256, mean] = stdout.split(',')
    const file = inFolder('plain.nii')
    await grid.ok('scientist', ['get', guid, '-o', file])
    const digest = createHash('sha256')
      .update(await readFile(file))
      .digest('hex')
    t.strictSame([name, sha256, mean], [guid, digest, await meanOf(grid, guid)])
    t.strictSame(left, [], 'no file of any kind')
    await t.rejects(stat(capability), { code: 'ENOENT' })
    t.notOk((await job()).code === 0, 'there is no second run without a capability')
  })

  await t.test('programs, one for each level of access', async (t) => {
    const copy = inFolder('copy.mdm')
    t.match(await example('physician', 'level-1-raw.ts', guid, copy), /bytes of ciphertext/)
    t.ok((await stat(copy)).size > voxelBytes, 'the copy holds the whole volume')
    const stored = inFolder('stored.mdm')
    t.match(await example('physician', 'level-1-srm.ts', surl, stored), `bytes of ciphertext of ${guid}`)
    t.equal((await stat(stored)).size, bytes)
    t.match(
      await example('scientist', 'level-2-decrypt.ts', guid),
      `the whole volume has ${voxelBytes} bytes of voxels`,
    )
    t.match(
      await example('scientist', 'level-3-metadata.ts', 'modality=MR'),
      /^1 volumes, [1-9][0-9]* columns withheld/,
    )
  })

  await t.test(
    'a job on a node goes on behind a volume that fails, and asks to be run again when servers are away',
    async (t) => {
      const invented = '3f2504e0-4f89-41d3-9a0c-0305e82c3301'
      const some = await script('scientist', 'worker-node-job.sh', [], `${invented}\n${guid}\n`)
      t.equal(some.code, 1)
      t.match(some.stdout, new RegExp(`^${guid},`))
      t.match(some.stderr, `${invented}: failed (exit code 3)`)
      for (const server of grid.keyServers.slice(0, 2)) {
        process.kill(server.pid, 'SIGTERM')
        await gone(server.pid)
      }
      const later = await script('scientist', 'worker-node-job.sh', [], `${guid}\n`)
      t.match([later.code, later.stdout, later.left], [75, '', []])
    },
  )

  const there = (await readdir(EXAMPLES)).filter((f) => /\.(ts|sh)$/.test(f))
  t.same([...ran, ...WITH_PEERS].toSorted(), there.toSorted(), 'no example is left out')
})

/** The policy that examples/README.md shows. */
function policyOf(readme: string): unknown {
  const [, json] = /```json\n("policy": [\s\S]*?)```/.exec(readme) ?? []
  return JSON.parse(`{${json}}`).policy
}

async function meanOf(grid: Grid, guid: string): Promise<string> {
  const file = join(grid.scratch, 'mean.nii')
  await grid.ok('scientist', ['get', guid, '-o', file])
  const bytes = await readFile(file)
  let sum = 0
  for (let at = 352; at < bytes.length; at += 2) sum += bytes.readInt16LE(at)
  return `${(sum / ((bytes.length - 352) / 2)).toFixed(3)}\n`
}
