import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import t from 'tap'
import { openSession } from '@mdm/core/access/session'
import { loadConfig } from '@mdm/core/config'
import { writeSeries } from '@mdm/server/dicom/dcmjs/write-series'
import { startGrid } from '../fixtures/grid.ts'
import { meterSite } from '../fixtures/metered-proxy.ts'
import { generator } from '../fixtures/random.ts'
import { begin, besides, present, sha256 } from '../fixtures/running-get.ts'
import { emptySpool, gone, restartSite, startKeyServer, startSite } from '../fixtures/site-process.ts'
import { untilServing } from '../server/site-grid.ts'

/** Gets under which a server is killed: some, or as many as MDM_LONG says, then of a volume of 100 MB. */
const KILLED = Number(process.env['MDM_LONG'] ?? 4)
const SLICES = process.env['MDM_LONG'] === undefined ? 192 : 800

t.setTimeout(1_200_000)

t.test('servers that are killed under a get', { timeout: 3_600_000 }, async (t) => {
  const source = await mkdtemp(join(tmpdir(), 'mdm-resume-'))
  t.teardown(() => rm(source, { recursive: true, force: true }))
  await writeSeries(join(source, 'ct'), {
    ...{ modality: 'CT', columns: 256, rows: 256, slices: SLICES, spacing: [1, 1, 1], bitsStored: 12 },
    voxel: (i, j, k) => (i * 7 + j * 13 + k * 31 + ((i * j) >> 3)) & 0xfff,
  })
  const grid = await startGrid(t, { source })
  const { guid } = (await grid.ok('admin', ['register', '--json'])).json.registered[0]
  await grid.ok('admin', ['acl', 'grant', guid, '--to', grid.users.scientist.dn, '--preset', 'process'])
  const wire = await meterSite(t, grid)
  const watcher = await openSession(await loadConfig({ config: grid.users.admin.config }))
  t.teardown(() => watcher.close())
  const at = (name: string) => join(grid.scratch, name)
  await grid.ok('scientist', ['get', guid, '-o', at('whole.mdm')])
  await grid.ok('scientist', ['get', guid, '-o', at('whole.nrrd')])
  const right = await sha256(at('whole.nrrd'))
  const { size } = await stat(at('whole.mdm'))

  /** One get, and reruns of it until it says that it is done. */
  async function untilDone(
    file: string,
    mend: () => Promise<unknown>,
  ): Promise<{ runs: number; bytes: number }> {
    const before = wire.bytes
    for (let runs = 1; ; runs++) {
      const { code, stdout, stderr } = await begin(grid, [
        'get',
        guid,
        '-o',
        file,
        '--retries',
        '0',
        '--json',
      ]).ended
      if (code === 0) return { runs, bytes: wire.bytes - before }
      if (await present(file)) t.fail(`${basename(file)} is there, though the get ended with ${code}`)
      if (code !== 5 || runs > 9) t.fail(`${basename(file)}: ${code} ${stdout}${stderr}`)
      await mend()
    }
  }

  async function check(file: string): Promise<void> {
    if ((await sha256(file)) !== right) t.fail(`${basename(file)}: another content`)
    t.strictSame(await besides(file), [basename(file)], 'nothing is left beside it')
    await rm(file)
  }

  await t.test(`the site is killed ${KILLED} times at any byte`, async (t) => {
    let [most, reruns] = [0, 0]
    for (let seed = 1; seed <= KILLED; seed++) {
      const file = at(`site-${seed}.nrrd`)
      wire.after(generator(seed)(size), () => process.kill(grid.site.pid, 'SIGKILL'))
      const { runs, bytes } = await untilDone(file, () => startSite(grid))
      most = Math.max(most, bytes / size)
      reruns += runs - 1
      await check(file)
      // Killed at the last bytes, it was not missed.
      if (!(await alive(grid.site.pid))) await startSite(grid)
    }
    t.ok(reruns > KILLED / 2, `${reruns} gets were cut`)
    t.ok(most > 0.9 && most < 1.2, `at the most ${most.toFixed(3)} times the size was fetched`)
  })

  await t.test(`a key server is killed ${KILLED} times at any byte: the get does not notice`, async (t) => {
    for (let seed = 1; seed <= KILLED; seed++) {
      const random = generator(seed)
      const server = grid.keyServers[random(3)]!
      const file = at(`keys-${seed}.nrrd`)
      // Nothing is sealed any more in every other one: then the site needs the key as well, while the server goes.
      if (seed % 2 === 0) await restartSite(grid, emptySpool)
      wire.after(random(size), () => process.kill(server.pid, 'SIGKILL'))
      const { runs, bytes } = await untilDone(file, async () => {})
      t.equal(runs, 1)
      t.ok(bytes / size < 1.1, 'fetched once')
      await check(file)
      await gone(server.pid)
      await startKeyServer(server)
      await untilServing(watcher)
    }
  })

  await t.test(
    'the site is killed while it still encrypts: the next get begins anew and is right',
    async (t) => {
      for (let seed = 1; seed <= Math.min(KILLED, 20); seed++) {
        await restartSite(grid, emptySpool)
        const file = at(`cold-${seed}.nrrd`)
        wire.after(generator(seed)(size >> 2), () => process.kill(grid.site.pid, 'SIGKILL'))
        const { runs, bytes } = await untilDone(file, () => startSite(grid))
        t.equal(runs, 2)
        t.ok(bytes / size < 1.5, 'what was fetched, and the whole')
        await check(file)
      }
    },
  )
})

async function alive(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
