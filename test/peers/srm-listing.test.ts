import type { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import t from 'tap'
import { MdmError } from '@mdm/core/errors'
import { readCertificate } from '@mdm/core/identity/certificate'
import type { Caller } from '@mdm/core/identity/identify'
import { createApp } from '@mdm/server/http/app'
import { openLog } from '@mdm/server/http/log'
import { serve } from '@mdm/server/http/serve'
import { openFiles, type FilesOptions } from '@mdm/server/srm/files'
import { soapRoutes } from '@mdm/server/srm/operations/routes'
import { webdavRoutes } from '@mdm/server/srm/webdav'
import { gridClients } from '../fixtures/peers/grid-clients.ts'
import { makeGridPki } from '../fixtures/peers/grid-pki.ts'
import { memoryEntries, memoryRequests } from '../fixtures/srm-memory.ts'
import { guidOf } from '../server/srm/operations/soap-site.ts'

/** Listings longer than a reply, as the grid's own clients read them, and what they say of each status. */
const pki = await makeGridPki(t)
const clients = pki && (await gridClients(t, pki))
if (clients === undefined && process.env.MDM_PEERS === 'required')
  throw new Error('MDM_PEERS=required, but the clients of a grid are not installed')
if (clients === undefined) t.pass('skipped: the clients of a grid are not installed')

if (pki !== undefined && clients !== undefined) {
  const user = await pki.issue('alice', 'Alice Martin')
  const proxy = await pki.proxy(user)
  const many = Array.from({ length: 2_345 }, (_, n) => ({ guid: guidOf(n), bytes: n }))
  const [secret, listed, lost, full, away] = [9_001, 9_002, 9_003, 9_004, 9_005].map(guidOf)
  const held = [
    ...many,
    { guid: secret!, listedBy: [] },
    { guid: listed!, readBy: [] },
    { guid: lost!, fails: 'MDM_GONE' as const },
    { guid: full!, fails: 'MDM_SPOOL_FULL' as const },
    { guid: away!, fails: 'MDM_SOURCE_UNREACHABLE' as const },
  ]
  const identify = (chain: readonly X509Certificate[]): Caller => {
    const { dn, issuer, spki, notAfter } = readCertificate(chain.at(-1)!.raw)
    if (chain.some(({ subject }) => subject.includes('Mallory'))) throw new MdmError('MDM_UNAUTHENTICATED')
    return { kind: 'user', dn, issuer, spki, notAfter, fqans: [] }
  }
  const app = createApp({
    tls: {
      certificate: await readFile(pki.host.certificate, 'utf8'),
      key: await readFile(pki.host.key, 'utf8'),
    },
    speaks: 'httpg',
    identify,
    log: openLog({ level: 'silent' }),
  })
  const entries = memoryEntries(held)
  const files = openFiles({ entries } as unknown as FilesOptions)
  webdavRoutes(app, { entries, files, identify })
  soapRoutes(app, {
    ...{ entries, requests: memoryRequests(held), now: () => new Date() },
  })
  const serving = await serve(app, { host: '127.0.0.1', port: 0, graceMs: 100 })
  t.teardown(() => serving.stop())
  const surl = (name: string) => `srm://localhost:${new URL(serving.url).port}/mdm${name}`
  const visible = held.length - 1

  // Not arcls: what it does with a long answer grows with the square of its length, a minute and more for this one.
  t.test('gfal2 and davix list 2,349 volumes by https, and see each once', async (t) => {
    const url = `https://localhost:${new URL(serving.url).port}/mdm/`
    for (const program of ['gfal-ls', 'davix-ls']) {
      const args = program === 'davix-ls' ? ['-E', proxy, '--capath', pki.certificates, url] : [url]
      const { code, stdout, stderr } = await clients.run(proxy, program, ...args)
      t.equal(code, 0, `${program}: ${stderr}`)
      const names = stdout.match(/00000000-0000-4000-8000-[0-9]{12}/g) ?? []
      t.equal(names.length, visible, program)
      t.equal(new Set(names).size, visible, program)
      t.notMatch(names, secret)
    }
  })

  t.test('gfal2 and ARC page through 2,349 volumes, and see each once', async (t) => {
    for (const [program, ...flags] of [
      ['gfal-ls', '-l'],
      ['arcls', '-l'],
    ] as const) {
      const { code, stdout, stderr } = await clients.run(proxy, program, ...flags, surl(''))
      t.equal(code, 0, `${program}: ${stderr}`)
      const names = stdout.match(/00000000-0000-4000-8000-[0-9]{12}/g) ?? []
      t.equal(names.length, visible, program)
      t.equal(new Set(names).size, visible, program)
      t.notMatch(names, secret)
    }
  })

  t.test('gfal2 says of each refusal what it means', async (t) => {
    const target = `file://${clients.folder}/copy`
    for (const [guid, exit] of [
      [secret, 2],
      [guidOf(9_999), 2],
      [listed, 13],
      [lost, 43],
      [full, 28],
      [away, 16],
    ] as const) {
      const { code, stderr } = await clients.run(proxy, 'gfal-copy', '-f', surl(`/${guid}`), target)
      t.equal(code, exit, stderr)
      t.match(stderr, /MDM_[A-Z_]+: /, 'the user is shown the code')
    }
    for (const [program, ...args] of [
      ['gfal-rm', surl(`/${guidOf(1)}`)],
      ['gfal-mkdir', surl('/new')],
      ['gfal-rename', surl(`/${guidOf(1)}`), surl(`/${guidOf(2)}`)],
    ] as const)
      t.equal((await clients.run(proxy, program, ...args)).code, 95, program)
  })

  t.test('who is not let in is told why, and not that the network is broken', async (t) => {
    const stranger = await pki.proxy(await pki.issue('mallory', 'Mallory'))
    const { code, stderr } = await clients.run(stranger, 'gfal-stat', surl(`/${guidOf(1)}`))
    t.equal(code, 13, stderr)
    t.match(stderr, 'MDM_UNAUTHENTICATED: ')
    const other = await clients.run(stranger, 'arccp', surl(`/${guidOf(1)}`), `file://${clients.folder}/none`)
    t.equal(other.code, 1)
    t.match(other.stdout + other.stderr, /Permission denied|MDM_UNAUTHENTICATED/)
  })
}
