import { createHash } from 'node:crypto'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { grant } from '@mdm/core/access/acl'
import { loadCredential } from '@mdm/core/identity/credential'
import { parseDn } from '@mdm/core/identity/dn'
import type { LimitedOperation } from '@mdm/core/identity/limits'
import { delegate } from '@mdm/core/identity/proxy/delegate'
import type { Guid } from '@mdm/core/names'
import { gridClients } from '../fixtures/peers/grid-clients.ts'
import { CA_DN } from '../fixtures/peers/grid-pki.ts'
import { startStorageGrid } from '../fixtures/peers/storage-grid.ts'
import { registerAll } from '../server/site-grid.ts'

t.test('grid clients take a capability as any proxy, and get no other volume', async (t) => {
  const grid = await startStorageGrid(t, { series: [{}, { modality: 'MR' }] })
  const clients = grid === undefined ? undefined : await gridClients(t, grid.pki)
  if (grid === undefined || clients === undefined)
    return t.pass('skipped: the grid clients are not installed')
  const admin = await grid.as('admin')
  const registered = (await registerAll(admin)).filter((event) => event.type === 'registered')
  const [named, other] = registered.map(({ volume }) => volume.guid) as [Guid, Guid]
  const user = await grid.pki.issue('jobs', 'Job Sender')
  const to = { kind: 'user' as const, dn: parseDn(user.dn), issuer: parseDn(CA_DN) }
  for (const guid of [named, other]) await grant(admin, guid, { to, preset: 'process' })

  const owner = await loadCredential({ certificate: user.certificate, key: user.key })
  const capability = async (name: string, operations: LimitedOperation[]) => {
    const policy = { language: 'mdmLimits' as const, limits: { guids: [named], operations } }
    const { pem } = await delegate(owner, { policy, hours: 1, now: new Date() })
    const file = join(clients.folder, name)
    await writeFile(file, pem, { mode: 0o600 })
    return file
  }
  const file = await capability('file.cred', ['read-file'])
  const keyOnly = await capability('key.cred', ['read-key'])
  const ca = ['--cacert', grid.pki.ca]
  const copies: Record<string, (who: string, guid: Guid, out: string) => readonly string[]> = {
    curl: (who, guid, out) => ['curl', '-sf', ...ca, '--cert', who, '--key', who, '-o', out, grid.url(guid)],
    'davix-get': (who, guid, out) => [
      ...['davix-get', '-E', who, '--capath', grid.pki.certificates],
      ...[grid.url(guid), out],
    ],
    'gfal-copy https': (_, guid, out) => ['gfal-copy', '-f', grid.url(guid), `file://${out}`],
    'arccp https': (_, guid, out) => ['arccp', grid.url(guid), out],
    'gfal-copy srm': (_, guid, out) => ['gfal-copy', '-f', grid.surl(guid), `file://${out}`],
    'arccp srm': (_, guid, out) => ['arccp', grid.surl(guid), out],
  }
  const digest = async (path: string) =>
    createHash('sha256')
      .update(await readFile(path))
      .digest('hex')
  const digests = new Set<string>()
  let count = 0
  for (const [what, command] of Object.entries(copies)) {
    const run = async (who: string, guid: Guid) => {
      const out = join(clients.folder, `copy-${++count}`)
      const [program, ...args] = command(who, guid, out)
      return { out, ...(await clients.run(who, program!, ...args)) }
    }
    const [mine, foreign, refused] = await Promise.all([
      run(file, named),
      run(file, other),
      run(keyOnly, named),
    ])
    t.equal(mine.code, 0, `${what}: ${mine.stderr}`)
    digests.add(await digest(mine.out))
    for (const failed of [foreign, refused]) {
      t.not(failed.code, 0, what)
      t.ok((await stat(failed.out).catch(() => ({ size: 0 }))).size < 200, 'nothing of it came')
    }
  }
  t.equal(digests.size, 1, 'all have the same container')
})
