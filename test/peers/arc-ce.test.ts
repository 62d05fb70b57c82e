import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cp, lstat, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { grant } from '@mdm/core/access/acl'
import { fetchFileKey } from '@mdm/core/access/file-key'
import { getRaw } from '@mdm/core/access/raw'
import { parseDn } from '@mdm/core/identity/dn'
import { inAllForms, leftBehind, type Secret } from '../fixtures/left-behind.ts'
import { pathWithMdm } from '../fixtures/mdm-in-path.ts'
import { startArcCe } from '../fixtures/peers/arc-ce.ts'
import { submit } from '../fixtures/peers/arc-jobs.ts'
import { gridClients } from '../fixtures/peers/grid-clients.ts'
import { CA_DN, RADIOLOGIST, VO, type Issued } from '../fixtures/peers/grid-pki.ts'
import { grantFile, startStorageGrid } from '../fixtures/peers/storage-grid.ts'
import { registerAll, until } from '../server/site-grid.ts'

t.setTimeout(240_000)

const EXAMPLES = resolve(import.meta.dirname, '../../examples')
const [COLUMNS, ROWS, SLICES] = [32, 24, 5]

t.test('a job at a computing element computes on an image with the proxy of its user', async (t) => {
  const [ofCt, ofMr] = [noise(), noise()]
  const grid = await startStorageGrid(t, { series: [seriesOf('CT', ofCt), seriesOf('MR', ofMr)] })
  if (grid === undefined) return t.pass('skipped: the tools of a grid are not installed here')
  const { pki } = grid
  const clients = await gridClients(t, pki)
  if (clients === undefined) return t.pass('skipped: the clients of a grid are not installed here')
  const users = [pki.issue('physician', 'Test Physician'), pki.issue('scientist', 'Test Scientist')]
  const [physician, scientist] = (await Promise.all(users)) as [Issued, Issued]
  const archivist = await pki.issue('archivist', 'Test Archivist')
  const [withAttributes, plain, ofArchive] = await Promise.all([
    pki.proxy(physician, { fqans: [`/${VO}`, RADIOLOGIST] }),
    pki.proxy(scientist),
    pki.proxy(archivist),
  ])
  // What the node has of its own: the command and the roster, and nobody's key.
  const config = await grid.configOf(withAttributes)
  const { credential: _, ...rosters } = JSON.parse(await readFile(config, 'utf8'))
  const ofNode = join(dirname(config), 'node.json')
  await writeFile(ofNode, JSON.stringify(rosters))
  const path = pathWithMdm(grid.dir)
  const runtimes = { 'APPS/MDM': `if [ "$1" = 1 ]; then export PATH='${path}' MDM_CONFIG='${ofNode}'; fi\n` }
  const admin = await grid.as('admin')
  const [ce, events] = await Promise.all([startArcCe(t, pki, { runtimes }), registerAll(admin)])
  if (ce === undefined) return t.pass('skipped: A-REX is not installed here')
  const volumes = events.flatMap((e) => (e.type === 'registered' ? [e.volume] : []))
  const of = (modality: string) => volumes.find((volume) => volume.modality === modality)!.guid
  const [ct, mr] = [of('CT'), of('MR')]
  const radiologist = { kind: 'fqan' as const, fqan: RADIOLOGIST }
  const user = ({ dn }: Issued) => ({ kind: 'user' as const, dn: parseDn(dn), issuer: parseDn(CA_DN) })
  await grant(admin, ct, { to: radiologist, preset: 'process' })
  await grant(admin, ct, { to: user(archivist), preset: 'replicate' })
  await grant(admin, mr, { to: user(scientist), preset: 'process' })
  await grantFile(admin, mr, { to: radiologist, rights: ['list'], versions: 'all' })

  const folder = join(grid.dir, 'mine')
  await mkdir(folder)
  await cp(join(EXAMPLES, 'arc-job.sh'), join(folder, 'arc-job.sh'))
  const [, command = ''] =
    /^ +(sed .+) > job\.xrsl$/m.exec(await readFile(join(EXAMPLES, 'arc-job.xrsl'), 'utf8')) ?? []
  /** Fills the example in as it says; a job that keeps all files of its folder is for looking at them. */
  const job = async (proxy: string, guid: string, o: { by?: string; keep?: boolean } = {}) => {
    const fill = command
      .replace(/mdm\.hospital\.example:8443/, grid.authority)
      .replace(/\|[0-9a-f-]{36}\|/, `|${guid}|`)
    const { stdout } = await promisify(execFile)('sh', ['-c', fill], { cwd: EXAMPLES })
    const filled = stdout.replace('"srm://', `"${o.by ?? 'srm'}://`)
    const description = `${guid}-${basename(proxy)}.xrsl`
    await writeFile(join(folder, description), `${filled}${o.keep ? '(outputFiles = ("/" ""))\n' : ''}`)
    return await submit(ce, clients, { proxy, folder, description })
  }
  const since = Date.now() - 1_000
  const jobs = await Promise.all([
    job(withAttributes, ct),
    job(plain, mr, { by: 'https', keep: true }),
    job(withAttributes, mr),
    job(ofArchive, ct),
  ])
  const [bySrm, byHttps, refused, closed] = jobs
  const ends = await Promise.all(jobs.map((one) => one.ended()))
  const said = async (one: (typeof jobs)[number], ...flags: string[]) =>
    (await one.run('arccat', ...flags)).stdout

  await t.test('over srm:// and https://, the number is all that comes out', async (t) => {
    const good = { state: 'Finished', exitCode: 0 }
    t.match(ends.slice(0, 2), [good, good], ends.map(({ error }) => error).join('\n'))
    t.equal(await said(bySrm), `${mean(ofCt)}\n`, await said(bySrm, '--stderr'))
    t.equal(await said(byHttps), `${mean(ofMr)}\n`, await said(byHttps, '--stderr'))
    const logs = [await said(bySrm, '--joblog'), await said(closed, '--joblog')].join('\n')
    t.match(logs, /NEARLINE, will make request to bring online/, 'it was still at its source')
    t.match(logs, /Bring online request \S+ finished successfully/)
  })

  await t.test('who may not read it fails before the job starts, and is told why', async (t) => {
    t.match(ends[2], {
      state: 'Failed',
      exitCode: undefined,
      error: /data staging.*Permission denied.*MDM_DENIED/,
    })
    t.equal(await said(refused), '')
  })

  await t.test('who may copy it has it staged, and the job cannot open it', async (t) => {
    t.match(ends[3], { state: 'Failed', exitCode: 3 })
    t.equal(await said(closed), '')
    t.match(await said(closed, '--stderr'), 'no key server has this key for you')
  })

  await t.test(
    'no voxel and no key of a file or a user is on the disks of the computing element',
    async (t) => {
      const secrets: Secret[] = [ofCt, ofMr].map((v) => ({
        what: 'voxels',
        bytes: Buffer.from(v.buffer, 0, 64),
      }))
      for (const guid of [ct, mr]) {
        const raw = await getRaw(admin, { guid })
        const { fileKey } = await fetchFileKey(admin, guid, raw.kid, {})
        for await (const _ of raw.body);
        secrets.push(...inAllForms('file key', fileKey.export()))
      }
      for (const file of [physician.key, scientist.key, withAttributes, plain, ofArchive])
        secrets.push(await keyIn(file, 'private key'))
      const kept = join(ce.sessions, basename(byHttps.id))
      const delegated = await keyIn(join(kept, 'user.proxy'), 'delegated proxy')

      t.strictSame(
        (await readdir(kept)).toSorted(),
        ['arc', 'arc-job.sh', 'messages', 'result', 'user.proxy', 'volume.mdm'],
        'it kept whatever the job left',
      )
      t.match(
        (await leftBehind([grid.source, pki.dir], secrets)).map((text) => text.split(': ')[1]).toSorted(),
        [...Array(5).fill('private key'), 'voxels', 'voxels'],
        'what is looked for is found where it is',
      )
      t.strictSame(await leftBehind([ce.folder], secrets), [])
      const others = await leftBehind(['/tmp', '/dev/shm', '/var/tmp'], secrets, {
        ...{ since, except: [grid.dir, pki.dir] },
      })
      t.strictSame(others, [], 'in the folders that all jobs of a node share')
      const proxies = await leftBehind([ce.folder], [delegated])
      const files = proxies.map((text) => text.split(': ')[0]!)
      t.match(
        files.map((file) => relative(ce.folder, file)).toSorted(),
        [/^control\/delegations\./, /^control\/job\.[^/]+\.proxy$/, /^sessions\/[^/]+\/user\.proxy$/],
        'the delegated proxy is where A-REX keeps it',
      )
      for (const file of files) t.equal((await lstat(file)).mode & 0o077, 0, file)
    },
  )

  await t.test('and nothing of a job when its user has fetched what it left', async (t) => {
    const got = await bySrm.run('arcget', '--dir', folder)
    t.equal(got.code, 0, got.stderr)
    const results = join(folder, basename(bySrm.id))
    t.strictSame((await readdir(results)).toSorted(), ['messages', 'result'])
    t.equal(await readFile(join(results, 'result'), 'utf8'), `${mean(ofCt)}\n`)
    for (const one of [byHttps, refused, closed]) t.equal((await one.run('arcclean')).code, 0)
    const names = jobs.map(({ id }) => basename(id))
    const left = async () => {
      const all = await readdir(ce.folder, { recursive: true })
      return all.filter((name) => names.some((id) => name.includes(id)))
    }
    await until(async () => (await left()).length === 0).catch(() => {})
    t.strictSame(await left(), [])
  })
})

/** Voxels that are in no other file of this machine. */
function noise(): Int16Array {
  return Int16Array.from(new Uint16Array(randomBytes(COLUMNS * ROWS * SLICES * 2).buffer), (v) => v & 0xfff)
}

function seriesOf(modality: 'CT' | 'MR', voxels: Int16Array) {
  return {
    ...{ columns: COLUMNS, rows: ROWS, slices: SLICES, modality },
    voxel: (i: number, j: number, k: number) => voxels[(k * ROWS + j) * COLUMNS + i]!,
  }
}

function mean(voxels: Int16Array): string {
  return (voxels.reduce((a, b) => a + b, 0) / voxels.length).toFixed(3)
}

/** A line from the middle of a private key: every key of a kind begins alike. */
async function keyIn(file: string, what: string): Promise<Secret> {
  const [, body = ''] = /PRIVATE KEY-----\n([^-]+)/.exec(await readFile(file, 'utf8')) ?? []
  const key = body.split('\n').at(body.length / 130) ?? ''
  if (key.length < 32) throw new Error(`${file} holds no key`)
  return { what, bytes: Buffer.from(key) }
}
