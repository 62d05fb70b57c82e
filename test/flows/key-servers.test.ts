import { existsSync } from 'node:fs'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { loadConfig } from '@mdm/core/config'
import { openSession } from '@mdm/core/access/session'
import { createFileKey } from '@mdm/core/crypto/file-key'
import { generateKeyPairSync } from 'node:crypto'
import type { Guid, Kid, KeyServerId, SiteId } from '@mdm/core/names'
import { getShares, type Release } from '@mdm/core/wire/key-server'
import { startGrid, type Grid } from '../fixtures/grid.ts'
import { altered, startLiar, stopLiar, type Lie, type RawLie } from '../fixtures/liar.ts'
import { WAYS, type Way } from '../fixtures/lies.ts'
import { generator } from '../fixtures/random.ts'
import { emptySpool, gone, restartSite } from '../fixtures/site-process.ts'

t.setTimeout(400_000)

interface Setting {
  grid: Grid
  guids: string[]
  get(guid: string, name: string): ReturnType<Grid['mdm']>
}

/** A grid with both phantoms registered and granted to the scientist. */
async function setting(t: Test): Promise<Setting> {
  const grid = await startGrid(t)
  const registered = (await grid.ok('admin', ['register', '--json'])).json.registered
  const guids: string[] = registered.map((v: { guid: string }) => v.guid)
  await grid.ok('admin', ['acl', 'grant', ...guids, '--to', grid.users.scientist.dn, '--preset', 'process'])
  const get = (guid: string, name: string) =>
    grid.mdm('scientist', ['get', guid, '-o', join(grid.scratch, name), '--json'])
  return { grid, guids, get }
}

const kill = (pid: number, signal: NodeJS.Signals) => process.kill(pid, signal)

t.test('one of three key servers may stop or die, two may not', async (t) => {
  const { grid, guids, get } = await setting(t)
  const [guid] = guids as [string]
  for (const [i, server] of grid.keyServers.entries()) {
    kill(server.pid, 'SIGSTOP')
    const started = performance.now()
    const run = await get(guid, `stopped-${i}.nii`)
    t.equal(run.code, 0, `server ${i} hangs, the get does not`)
    t.comment(`${Math.round(performance.now() - started)} ms with server ${i} stopped`)
    kill(server.pid, 'SIGCONT')
  }
  kill(grid.keyServers[0]!.pid, 'SIGKILL')
  t.equal((await get(guid, 'killed.nii')).code, 0, 'one is dead')
  kill(grid.keyServers[1]!.pid, 'SIGSTOP')
  for (const [which, id] of [
    ['spooled', guid],
    ['cold', guids[1]!],
  ] as const) {
    const started = performance.now()
    const run = await get(id, `two-${which}.nii`)
    const ms = performance.now() - started
    t.equal(run.code, 6, `two are gone: exit 6 (${which})`)
    t.equal(run.json.error.code, 'MDM_BELOW_THRESHOLD')
    t.ok(ms < 60_000, `${Math.round(ms)} ms`)
    t.notOk(existsSync(join(grid.scratch, `two-${which}.nii`)), 'no file')
  }
  t.same(
    (await readdir(grid.scratch)).filter(
      (f) => f.startsWith('two') || f.endsWith('.part') || f.endsWith('.tmp'),
    ),
    [],
    'nor a part of one',
  )
  kill(grid.keyServers[1]!.pid, 'SIGCONT')
})

t.test('a key server that lies never changes the key and is named', async (t) => {
  const { grid, guids } = await setting(t)
  const bad = grid.keyServers[0]!
  // What the server truly holds, as the reader and the site would get it.
  const session = await openSession(await loadConfig({ config: grid.users.scientist.config }, {}))
  const server = session.keyServers.find(({ peer }) => peer.url === bad.url)!
  const held = new Map<string, readonly Release[]>()
  for (const guid of guids)
    held.set(guid, (await server.peer.call(getShares, { params: { guid: guid as Guid } })).releases)
  const reference = new Map<string, Buffer>()
  for (const guid of guids) {
    await grid.ok('scientist', ['get', guid, '-o', join(grid.scratch, `${guid}.ref.nii`), '--json'])
    reference.set(guid, await readFile(join(grid.scratch, `${guid}.ref.nii`)))
  }
  const ids = session.roster.body.keyServers.map((k) => k.id as KeyServerId)
  await session.close()
  kill(bad.pid, 'SIGKILL')
  await gone(bad.pid)

  /** A lie that needs no more than the server's own share. */
  const told = (way: Way): { raw: RawLie } => ({
    raw: (reply, [truth]) => {
      const one = truth!
      const material = {
        truth: one,
        others: [one],
        older: one,
        otherGuid: one,
        otherKid: one,
        attackers: one,
      }
      WAYS[way](reply, material, generator(1))
    },
  })
  const lies: Record<string, Lie | { raw: RawLie }> = {
    empty: told('empty'),
    '1 MiB': told('1 MiB'),
    'slow drip': told('slow drip'),
    'malformed JSON': told('malformed JSON'),
    'another key of the volume': {
      raw: (reply, [truth]) => reply.end(JSON.stringify({ releases: [{ ...truth, kid: 'f'.repeat(32) }] })),
    },
    'index 0': (r) => r.map((x) => altered(x, (s) => s.writeUInt8(0, 43))),
    'a share that does not have the digest': (r) => r.map((x) => altered(x, (s) => (s[60]! ^= 1))),
    'another epoch': (r) => r.map((x) => ({ ...altered(x, (s) => s.writeUInt32BE(2, 37)), epoch: 2 })),
    'the share of a key of its own, under its own manifest': async (r) =>
      await Promise.all(
        r.map(async (x) => {
          const { privateKey } = generateKeyPairSync('ed25519')
          const made = await createFileKey({
            site: 'demo' as SiteId,
            guid: guids[0] as Guid,
            version: x.version,
            kid: x.kid as Kid,
            epoch: 1,
            m: 2,
            n: 3,
            servers: ids,
            signer: { kid: 'forged', key: privateKey },
          })
          return { ...x, manifest: made.manifest, share: made.shares[0]!.toString('base64') }
        }),
      ),
    'the share of a key of its own, under the true manifest': async (r) =>
      await Promise.all(
        r.map(async (x) => {
          const { privateKey } = generateKeyPairSync('ed25519')
          const made = await createFileKey({
            site: 'demo' as SiteId,
            guid: guids[0] as Guid,
            version: x.version,
            kid: x.kid as Kid,
            epoch: 1,
            m: 2,
            n: 3,
            servers: ids,
            signer: { kid: 'forged', key: privateKey },
          })
          return { ...x, share: made.shares[0]!.toString('base64') }
        }),
      ),
  }
  const shownOf = (url: string) =>
    ids.find((_, i) => session.roster.body.keyServers[i]!.url === url)!.slice(0, 12)
  const shown = shownOf(bad.url)
  for (const [what, lie] of Object.entries(lies)) {
    const liar = await startLiar(bad.dir, bad.url, (guid) => held.get(guid) ?? [], lie)
    const guid = guids[0]!
    const path = join(grid.scratch, 'lied.nii')
    // The key needs the two others: held back until the lie has come, so that the get cannot end before.
    const slower = grid.keyServers[1]!.pid
    kill(slower, 'SIGSTOP')
    liar.on('request', () => void setTimeout(() => kill(slower, 'SIGCONT'), 400))
    const run = await grid.mdm('scientist', ['get', guid, '-o', path, '--json'])
    t.equal(run.code, 0, `${what}: the get succeeds`)
    t.same(await readFile(path), reference.get(guid), 'with the right voxels')
    t.match(run.stderr, shown, 'and the liar is named')
    await stopLiar(liar)
  }

  // The site asks the key servers too, to encrypt: a restart with an empty spool makes it do so.
  const audited = async () =>
    (await readFile(join(grid.site.dir, 'audit.jsonl'), 'utf8'))
      .split('\n')
      .filter((line) => line.includes('"key-server-fault"') && line.includes(shown)).length
  for (const what of ['index 0', 'slow drip', 'another key of the volume']) {
    const liar = await startLiar(bad.dir, bad.url, (guid) => held.get(guid) ?? [], lies[what]!)
    const before = await audited()
    await restartSite(grid, emptySpool)
    const path = join(grid.scratch, 'cold.nii')
    t.equal((await grid.mdm('scientist', ['get', guids[0]!, '-o', path, '--json'])).code, 0, what)
    t.same(await readFile(path), reference.get(guids[0]!), 'the site encrypted under the true key')
    for (const end = performance.now() + 60_000; (await audited()) === before && performance.now() < end;)
      await sleep(50)
    t.ok((await audited()) > before, `${what}: and its audit log names the liar`)
    await stopLiar(liar)
  }

  await t.test('two liars of three: exit 6, both are named, and there is no file', async (t) => {
    const second = grid.keyServers[1]!
    kill(second.pid, 'SIGKILL')
    await gone(second.pid)
    const both = await Promise.all([
      startLiar(bad.dir, bad.url, (guid) => held.get(guid) ?? [], lies['index 0']!),
      startLiar(second.dir, second.url, (guid) => held.get(guid) ?? [], lies['malformed JSON']!),
    ])
    for (const what of ['spooled', 'cold']) {
      if (what === 'cold') await restartSite(grid, emptySpool)
      const path = join(grid.scratch, `two-liars-${what}.nii`)
      const run = await grid.mdm('scientist', ['get', guids[0]!, '-o', path, '--json', '--retries', '0'])
      t.equal(run.code, 6, what)
      t.equal(run.json.error.code, 'MDM_BELOW_THRESHOLD')
      // When it is cold, the site may fail first; then its audit log has them.
      const told = what === 'cold' ? await readFile(join(grid.site.dir, 'audit.jsonl'), 'utf8') : run.stderr
      for (const { url } of [bad, second]) t.match(told, shownOf(url), what)
      t.notOk(existsSync(path))
    }
    for (const liar of both) {
      await stopLiar(liar)
    }
  })
})
