import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { list } from '../../packages/core/src/access/metadata.ts'
import { saveVolume } from '../../packages/core/src/access/save.ts'
import { openSession, type Session } from '../../packages/core/src/access/session.ts'
import { loadConfig } from '../../packages/core/src/config.ts'
import { MdmError } from '../../packages/core/src/errors.ts'
import type { Guid } from '../../packages/core/src/names.ts'
import { startGrid } from '../fixtures/grid.ts'
import { emptySpool, gone, restartSite, startKeyServer } from '../fixtures/site-process.ts'
import { untilServing } from '../server/site-grid.ts'

const CLIENTS = 20
/**
 * As `mdm get` has it, 4, whose waits are 7.5 s at the least. More where a restart alone takes so long that these are not four
 * times as long: how long a server starts is the machine's.
 */
const retriesFor = (restartMs: number) => Math.max(4, 3 + Math.ceil((4 * restartMs - 3_500) / 4_000))

t.test('the site and each key server are restarted under 20 clients, and none of them notices', async (t) => {
  const grid = await startGrid(t)
  await grid.ok('admin', ['register'])
  const began = performance.now()
  await restartSite(grid)
  const retries = retriesFor(performance.now() - began)
  t.comment(`${retries} retries`)
  const sessionOf = async () => await openSession(await loadConfig({ config: grid.users.admin.config }))
  const watcher = await sessionOf()
  t.teardown(() => watcher.close())
  const guids: Guid[] = []
  for await (const { guid } of list(watcher)) guids.push(guid)
  const digest = async (file: string) =>
    createHash('sha256')
      .update(await readFile(file))
      .digest('hex')
  const save = (session: Session, guid: Guid, path: string) =>
    saveVolume(session, { guid }, { level: 'decrypt', format: 'nrrd', path, retries })
  const wanted = new Map<Guid, string>()
  for (const guid of guids) {
    const path = join(grid.scratch, `${guid}.nrrd`)
    await save(watcher, guid, path)
    wanted.set(guid, await digest(path))
  }

  let running = true
  const gets = { right: 0, wrong: 0, failed: [] as string[] }
  const client = async (i: number): Promise<void> => {
    const session = await sessionOf()
    const guid = guids[i % guids.length]!
    for (let n = 0; running; n++) {
      const path = join(grid.scratch, `client-${i}-${n}.nrrd`)
      try {
        await save(session, guid, path)
        if ((await digest(path)) === wanted.get(guid)) gets.right++
        else gets.wrong++
      } catch (error) {
        gets.failed.push(error instanceof MdmError ? `${error.code}: ${error.message}` : String(error))
      }
      // So many jobs do not all ask at once.
      await sleep(200 * Math.random())
    }
    await session.close()
  }
  const clients = Promise.all(Array.from({ length: CLIENTS }, (_, i) => client(i)))
  const more = async (n: number) => {
    for (const from = gets.right; gets.right < from + n && gets.failed.length === 0;) await sleep(50)
  }
  try {
    await more(CLIENTS)
    await restartSite(grid, emptySpool)
    await more(CLIENTS)
    for (const [i, server] of grid.keyServers.entries()) {
      process.kill(server.pid, 'SIGTERM')
      await gone(server.pid)
      await startKeyServer(server)
      // An administrator, too, restarts the next one when this one serves: two that wait for others are one too many.
      await untilServing(watcher)
      // What the site has prepared must be prepared again, with the keys that the others give it.
      if (i === 1) await restartSite(grid, emptySpool)
      await more(CLIENTS)
    }
  } finally {
    running = false
    await clients
  }
  t.strictSame(gets.failed, [])
  t.equal(gets.wrong, 0)
  t.comment(`${gets.right} gets`)
})
