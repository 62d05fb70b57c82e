import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { loadConfig, trustedRoster } from '@mdm/core/config'
import { parseDn } from '@mdm/core/identity/dn'
import { loadCredential } from '@mdm/core/identity/credential'
import { identify } from '@mdm/core/identity/identify'
import { X509Certificate } from 'node:crypto'
import { freePorts } from '../../../packages/server/src/provision/ports.ts'
import { provisionGrid, USERS } from '../../../packages/server/src/provision/grid.ts'

const dir = t.testdir({ source: {} })
const source = join(dir, 'source')
const grid = await provisionGrid(dir, { site: 'demo', keyServers: 4, threshold: 3, source })

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).map((entry) =>
    join(entry.parentPath, entry.name),
  )
}

t.test('every folder is for its owner only, and so is every file', async (t) => {
  for (const path of filesBelow(dir).filter((path) => path !== source)) {
    const { mode } = statSync(path)
    t.equal(mode & 0o077, 0, path.slice(dir.length))
  }
})

t.test('every user trusts the roster, and the roster knows every user', async (t) => {
  t.strictSame(Object.keys(grid.users), [...USERS])
  for (const [name, user] of Object.entries(grid.users)) {
    const config = await loadConfig({ config: user.config }, {})
    const roster = await trustedRoster(config)
    const credential = await loadCredential(config.credential!)
    const caller = identify([new X509Certificate(credential.certificate)], roster, new Date())
    t.equal(caller.dn, parseDn(user.dn), name)
    t.equal(roster.administrators.has(caller.spki), name === 'admin')
  }
})

t.test('the roster names the site, every key server and the threshold', async (t) => {
  const { body } = await trustedRoster(await loadConfig({ config: grid.users.admin!.config }, {}))
  t.match(body, { site: 'demo', seq: 1, m: 3, n: 4, api: grid.site.api })
  t.strictSame(
    body.keyServers.map(({ id, url }) => ({ id, url })),
    grid.keyServers.map(({ id, url }) => ({ id, url })),
  )
  t.equal(new Set([grid.site.api, ...grid.keyServers.map((k) => k.url)]).size, 5)
})

t.test('the site reads from the folder given, under a name of ours', async (t) => {
  const config = JSON.parse(readFileSync(grid.site.config, 'utf8')) as {
    sources: { name: string; url: string }[]
  }
  t.strictSame(
    config.sources.map(({ name, url }) => [name, fileURLToPath(url)]),
    [['folder', source]],
  )
})

t.test('a folder that holds something is left as it is', async (t) => {
  const used = t.testdir({ keep: 'me' })
  await t.rejects(provisionGrid(used, { site: 'demo', keyServers: 3, threshold: 2 }), {
    code: 'MDM_CONFLICT',
  })
  t.strictSame(readdirSync(used), ['keep'])
  await t.rejects(provisionGrid(dir, { site: 'demo', keyServers: 3, threshold: 2, source }), {
    code: 'MDM_CONFLICT',
  })
})

t.test('numbers and names that cannot be are refused before anything is made', async (t) => {
  const target = join(t.testdir(), 'new')
  for (const o of [
    { site: 'demo', keyServers: 3, threshold: 3 },
    { site: 'demo', keyServers: 3, threshold: 1 },
    { site: 'demo', keyServers: 33, threshold: 2 },
    { site: 'Not A Site', keyServers: 3, threshold: 2 },
    { site: 'demo', keyServers: 3, threshold: 2, source: join(target, 'absent') },
  ]) {
    await t.rejects(provisionGrid(target, o), { code: 'MDM_USAGE' })
  }
  t.throws(() => statSync(target))
})

t.test('ports are free and all different', async (t) => {
  const ports = await freePorts('127.0.0.1', 20)
  t.equal(new Set(ports).size, 20)
  t.ok(ports.every((port) => port > 0))
})
