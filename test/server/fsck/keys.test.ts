import { existsSync, readFileSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { join, resolve } from 'node:path'
import t from 'tap'
import { checkKeys } from '../../../packages/server/src/fsck/keys.ts'
import { FINDINGS } from '../../../packages/server/src/fsck/findings.ts'
import { makeGrid, makeVolume, peerOf, put, startServer } from '../keyshares/grid.ts'
import { changeStore, rowsOf } from '../register/invariants.ts'

const grid = await makeGrid(t.testdir())
const { config, dir } = grid.made.keyServers[0]!
const server = await startServer(t, grid)
const service = peerOf(t, grid, grid.service)
const volumes = [await makeVolume(grid), await makeVolume(grid)]
for (const volume of volumes) await put(service, volume)
const [one, two] = volumes as [(typeof volumes)[0], (typeof volumes)[0]]
const placeOf = ({ guid, kid }: typeof one) => `${guid} kid ${kid} epoch 1`

const found = async () => (await checkKeys(config)).findings.map(({ name, subject }) => `${name}: ${subject}`)
const change = (sql: string) => changeStore(config, sql)

t.test('a key server that runs and is in order has no findings', async (t) => {
  const { findings, looked } = await checkKeys(config)
  t.strictSame(findings, [])
  t.match(looked, { shares: 2, 'access lists': 2 })
  t.ok(rowsOf(config, 'select * from share').length === 2, 'and nothing was changed')
})

t.test('what is wrong with shares and their lists is named', async (t) => {
  await server.stop()
  const before = (column: string) =>
    rowsOf(config, `select ${column} as value from share where guid = '${one.guid}'`)[0]!.value as string
  const manifest = before('manifest')

  change(`update share set manifest = '${two.manifest}' where guid = '${one.guid}'`)
  t.strictSame(await found(), [`manifest-unverified: ${placeOf(one)}`], "another volume's manifest")
  change(`update share set manifest = '${manifest}' where guid = '${one.guid}'`)

  change(`update share set epoch = 2 where guid = '${one.guid}'`)
  t.strictSame(await found(), [`share-misplaced: ${one.guid} kid ${one.kid} epoch 2`])
  change(`update share set epoch = 1 where guid = '${one.guid}'`)

  const again = await makeVolume(grid, { guid: one.guid, kid: one.kid, founding: one.founding })
  change(`update share set manifest = '${again.manifest}' where guid = '${one.guid}'`)
  t.strictSame(await found(), [`share-damaged: ${placeOf(one)}`], 'the share of another split')
  change(`update share set manifest = '${manifest}' where guid = '${one.guid}'`)

  change(`update acl_chain set state = replace(state, '"read"', '"write"') where scope = '${two.guid}'`)
  t.strictSame(await found(), [`list-altered: ${two.guid} key`])
  change(`update acl_chain set state = replace(state, '"write"', '"read"') where scope = '${two.guid}'`)

  change(`update acl_statement set jws = '${one.founding}' where scope = '${two.guid}'`)
  t.strictSame(await found(), [`list-unverified: ${two.guid} key`])
  change(`update acl_statement set jws = '${two.founding}' where scope = '${two.guid}'`)

  change(`delete from acl_chain where scope = '${two.guid}'`)
  t.strictSame(await found(), [`share-without-list: ${two.guid}`, 'orphan-rows: 1 of acl_statement'])
})

t.test('a store key that is another one, and a site that is not trusted, are told as that', async (t) => {
  change(
    `delete from acl_statement where scope = '${two.guid}'; delete from share where guid = '${two.guid}'`,
  )
  t.strictSame(await found(), [])
  const key = join(dir, 'store.key')
  await rename(key, `${key}.kept`)
  await writeFile(key, randomBytes(32), { mode: 0o400 })
  t.strictSame(await found(), [`share-sealed: ${placeOf(one)}`])
  await rename(`${key}.kept`, key)
  await rename(join(dir, 'rosters', 'demo.1.jws'), join(dir, 'rosters', 'kept'))
  t.strictSame(await found(), ['site-untrusted: demo: 1 shares'])
  await rename(join(dir, 'rosters', 'kept'), join(dir, 'rosters', 'demo.1.jws'))
})

t.test('without a store there is nothing to look at, and none is made', async (t) => {
  const { config, dir } = grid.made.keyServers[1]!
  await t.rejects(checkKeys(config), { code: 'MDM_CONFIG' })
  t.notOk(existsSync(join(dir, 'keys.sqlite')))
})

t.test('every finding stands in docs/server.md with its next step', async (t) => {
  const page = readFileSync(resolve(import.meta.dirname, '../../../docs/server.md'), 'utf8')
  for (const [name, [level, what, next]] of Object.entries(FINDINGS))
    t.ok(page.includes(`| \`${name}\` | ${level} | ${what} | ${next} |`), name)
})
