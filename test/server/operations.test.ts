import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { connect } from 'node:tls'
import t, { type Test } from 'tap'
import { grant } from '../../packages/core/src/access/acl.ts'
import { list, query } from '../../packages/core/src/access/metadata.ts'
import { getRaw, type RawContainer } from '../../packages/core/src/access/raw.ts'
import type { Session } from '../../packages/core/src/access/session.ts'
import { fetchFileKey } from '../../packages/core/src/access/file-key.ts'
import { getHealth } from '../../packages/core/src/wire/common.ts'
import type { MdmError } from '../../packages/core/src/errors.ts'
import { newGuid, newKid, type Guid } from '../../packages/core/src/names.ts'
import { KeysConfig, readConfig } from '../../packages/server/src/config.ts'
import { startKeyServer } from '../../packages/server/src/keys.ts'
import type { Running } from '../../packages/server/src/operations.ts'
import { startSite } from '../../packages/server/src/site.ts'
import { openLog } from '../../packages/server/src/http/log.ts'
import { plainRequest } from '../fixtures/plain-request.ts'
import { addSeries, registerAll, startSiteGrid, until, type SiteGrid } from './site-grid.ts'

const BIN = resolve(import.meta.dirname, '../../packages/server/bin/run.js')
const silent = openLog({ level: 'silent' })
/** what the site logged */
const logged: string[] = []
const kept = openLog({ destination: { write: (line: string) => void logged.push(line) } })

async function change(config: string, fields: object): Promise<void> {
  const before = JSON.parse(await readFile(config, 'utf8')) as object
  await writeFile(config, JSON.stringify({ ...before, ...fields }))
}

/** A grid whose site and first key server have an operator's listener each. */
async function measuredGrid(t: Test): Promise<{ grid: SiteGrid; site: Running; keys: Running }> {
  const grid = await startSiteGrid(t, { series: [], started: false })
  const metrics = { host: '127.0.0.1', port: 0 }
  const [first] = grid.provisioned.keyServers
  await change(grid.provisioned.site.config, { metrics })
  await change(first!.config, { metrics })
  await grid.stopKeyServer(0)
  const keys = await startKeyServer(first!.config, { log: silent })
  t.teardown(() => keys.stop())
  const site = await startSite(grid.provisioned.site.config, { log: kept, retryMs: 100 })
  t.teardown(() => site.stop())
  return { grid, site, keys }
}

const textOf = async (url: string) => await (await fetch(url)).text()
const healthOf = async ({ metricsUrl }: Running) => {
  const answer = await fetch(`${metricsUrl}/health`)
  return { http: answer.status, ...((await answer.json()) as { status: string; reasons: string[] }) }
}

async function readWhole(session: Session, guid: Guid): Promise<RawContainer> {
  const raw = await getRaw(session, { guid })
  for await (const _ of raw.body);
  return raw
}

const { grid, site, keys } = await measuredGrid(t)

t.test('metrics say how much, and never of whom', async (t) => {
  await addSeries(grid.source, 'canary-series', {
    patient: { name: 'CANARY^PATIENT', id: 'CANARY-ID' },
  })
  const admin = await grid.as('admin')
  await registerAll(admin)
  const rows = []
  for await (const row of list(admin)) rows.push(row)
  const { guid, lfn } = rows[0]!
  const scientist = await grid.as('scientist')
  const { dn, issuer, spki } = scientist.credential.identity
  await grant(admin, guid, { to: { kind: 'user', dn, issuer }, preset: 'process' })
  const { etag, kid } = await readWhole(scientist, guid)
  await fetchFileKey(scientist, guid, kid, {})
  await query(scientist, 'modality=CT')
  await t.rejects(readWhole(await grid.as('stranger'), guid), { code: 'MDM_NOT_FOUND' })

  const named = `${site.srmUrl}/mdm/${guid}`
  await plainRequest(grid.provisioned.users['scientist']!.config, named, { method: 'PROPFIND' })

  const ofSite = await textOf(`${site.metricsUrl}/metrics`)
  const ofKeys = await textOf(`${keys.metricsUrl}/metrics`)
  for (const line of [
    /^mdm_http_requests_total\{method="GET",route="\/v1\/content\/:name",class="2xx"\} 1$/m,
    /^mdm_http_requests_total\{method="GET",route="\/v1\/content\/:name",class="4xx"\} 1$/m,
    /^mdm_http_request_seconds_bucket\{route="\/v1\/content\/:name",le="\+Inf"\} 2$/m,
    /^mdm_http_requests_total\{method="PROPFIND",route="\/mdm\/:name",class="2xx"\} 1$/m,
    /^mdm_srm_requests 0$/m,
    /^mdm_srm_files\{state="pinned"\} 0$/m,
    /^mdm_refusals_total\{code="MDM_NOT_FOUND"\} 1$/m,
    /^mdm_registrations_total\{outcome="registered"\} 1$/m,
    /^mdm_audit_events_total\{event="volume\.get",outcome="done",written="true"\} 1$/m,
    /^mdm_preparations\{state="SEALED"\} 1$/m,
    /^mdm_spool_used_bytes [1-9][0-9]*$/m,
    /^mdm_window_bytes 0$/m,
    /^mdm_journal_waiting 0$/m,
    /^mdm_key_servers_answering 3$/m,
    /^mdm_key_servers_threshold 2$/m,
    /^mdm_audit_writable 1$/m,
    /^mdm_ready 1$/m,
    /^process_resident_memory_bytes [1-9]/m,
    /^process_event_loop_delay_seconds\{quantile="0\.99"\} /m,
  ])
    t.match(ofSite, line)
  t.match(ofKeys, /^mdm_audit_events_total\{event="shares-released",outcome="done",written="true"\} [1-9]/m)
  // Of the volume, and of the pseudonym key.
  t.match(ofKeys, /^mdm_audit_events_total\{event="share-stored",outcome="done",written="true"\} 2$/m)

  const canaries = [
    ...[guid, etag, lfn, spki, dn, issuer, kid, grid.dir, 'CANARY', 'scientist', 'canary', 'folder'],
    ...grid.provisioned.keyServers.map(({ id }) => id.slice(0, 12)),
  ]
  for (const text of [ofSite, ofKeys]) {
    for (const canary of canaries) t.notMatch(text, canary)
    t.notMatch(text, /[0-9a-f]{16}|CN=|"other"/i)
    for (const line of text.trimEnd().split('\n'))
      t.match(
        line,
        /^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z_]+="[^"\\]*"(,[a-z_]+="[^"\\]*")*\})? [0-9.e+-]+)$/,
      )
  }
})

t.test('the listener of the operator serves metrics and health, and nothing else', async (t) => {
  for (const path of ['/', '/v1/whoami', '/metrics/', '/metrics?x=1', '/health/x'])
    t.equal((await fetch(`${site.metricsUrl}${path}`)).status, 404, path)
  t.equal((await fetch(`${site.metricsUrl}/metrics`, { method: 'POST' })).status, 404)
  const stranger = await grid.as('stranger')
  await t.rejects(
    stranger.site.call({ ...getHealth, path: '/metrics' }),
    { code: 'MDM_NOT_FOUND' },
    'those who use the site do not see metrics',
  )
  const { config } = grid.provisioned.keyServers[1]!
  for (const host of ['0.0.0.0', '10.0.0.1', '::', 'monitor.example']) {
    await change(config, { metrics: { host, port: 0 } })
    await t.rejects(readConfig(config, KeysConfig), { code: 'MDM_CONFIG', message: /metrics\.host/ }, host)
    await change(config, { metrics: { host, port: 0, beyondLoopback: true } })
    await readConfig(config, KeysConfig)
  }
  for (const host of ['127.0.0.1', '::1', 'localhost']) {
    await change(config, { metrics: { host, port: 0 } })
    await readConfig(config, KeysConfig)
  }
})

t.test('the request that a user is told of is in the log and in the audit log of the site', async (t) => {
  const error = await readWhole(await grid.as('backup'), newGuid()).catch((e: unknown) => e as MdmError)
  t.match(error, { code: 'MDM_NOT_FOUND', details: { server: 'the site' } })
  const id = `"requestId":"${String((error as MdmError).details['requestId'])}"`
  await until(async () => logged.some((line) => line.includes(id) && line.includes('"event":"request"')))
  t.ok(logged.some((line) => line.includes(id) && line.includes('"code":"MDM_NOT_FOUND"')))
  const records = (await readFile(join(grid.provisioned.site.dir, 'audit.jsonl'), 'utf8')).split('\n')
  t.equal(records.filter((line) => line.includes(id)).length, 1)
})

t.test('a crowd that asks for health causes one look at the key servers', async (t) => {
  const looks = async () =>
    Number(
      /^mdm_http_requests_total\{method="GET",route="\/health",class="2xx"\} ([0-9]+)$/m.exec(
        await textOf(`${keys.metricsUrl}/metrics`),
      )?.[1] ?? 0,
    )
  const before = await looks()
  const stranger = await grid.as('stranger')
  const began = performance.now()
  await Promise.all(Array.from({ length: 300 }, () => stranger.site.call(getHealth)))
  const most = 1 + Math.ceil((performance.now() - began) / 5_000)
  t.ok((await looks()) - before <= most, `${(await looks()) - before} looks for 300 questions`)
  t.match(await healthOf(site), { status: 'ready' })
})

t.test('an audit log that cannot be written makes a server not ready, until it can again', async (t) => {
  const file = join(grid.provisioned.keyServers[0]!.dir, 'audit.jsonl')
  await rename(file, `${file}.away`)
  const stranger = await grid.as('stranger')
  await t.rejects(fetchFileKey(stranger, newGuid(), newKid(), {}))
  t.match(await healthOf(keys), { http: 503, reasons: ['audit-unwritable'] })
  t.match(await textOf(`${keys.metricsUrl}/metrics`), /^mdm_audit_writable 0\n/m)
  await rename(`${file}.away`, file)
  // Nobody asks for anything meanwhile.
  await until(async () => (await healthOf(keys)).status === 'ready')
})

t.test(
  'health counts the key servers that may still fail, and says so when keys cannot be rebuilt',
  async (t) => {
    const stranger = await grid.as('stranger')
    t.match(await healthOf(site), { http: 200, status: 'ready', reasons: [], keyServersMayFail: 1 })
    await Promise.all([grid.stopKeyServer(1), grid.stopKeyServer(2)])
    await until(async () => (await healthOf(site)).status === 'not ready')
    t.match(await healthOf(site), {
      http: 503,
      reasons: ['key-servers-below-threshold'],
      keyServersMayFail: -1,
    })
    const told = await stranger.site.call(getHealth)
    const known = { status: 'not ready', reasons: ['key-servers-below-threshold'], keyServersMayFail: -1 }
    t.strictSame(
      told,
      { ...known, registrationWaitsFor: ['key-servers'] },
      'a stranger learns a number and no name',
    )
  },
)

t.test('the log level is that of the configuration, and SIGHUP takes a new one', async (t) => {
  const { config } = grid.provisioned.keyServers[2]!
  await change(config, { log: 'error' })
  const server = spawn(process.execPath, [BIN, 'keys', '--config', config], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => server.kill('SIGKILL'))
  let log = ''
  server.stderr.on('data', (piece) => (log += String(piece)))
  await once(createInterface({ input: server.stdout }), 'line')
  const stranger = await grid.as('stranger')
  const ask = () => stranger.keyServers[2]!.peer.call(getHealth)
  await ask()
  t.equal(log, '', 'requests are below the level')
  await change(config, { log: 'info' })
  server.kill('SIGHUP')
  await until(async () => log.includes('log-level-read'))
  await ask()
  await until(async () => log.includes('"route":"/health"'))
  await writeFile(config, 'not JSON')
  server.kill('SIGHUP')
  await until(async () => log.includes('reload-failed'))
  await ask()
  server.kill('SIGTERM')
  t.strictSame(await once(server, 'exit'), [0, null])
})

t.test('a stop waits for what is under way; a second signal ends the server at once', async (t) => {
  const { config, url } = grid.provisioned.keyServers[1]!
  const server = spawn(process.execPath, [BIN, 'keys', '--config', config], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  t.teardown(() => server.kill('SIGKILL'))
  const ended = once(server, 'exit')
  await once(createInterface({ input: server.stdout }), 'line')
  const { credential } = await grid.as('stranger')
  const open = async () => {
    const { hostname: host, port } = new URL(url)
    const tls = { cert: credential.certificate, key: credential.key, rejectUnauthorized: false }
    const socket = connect({ host, port: Number(port), ...tls })
    await once(socket, 'secureConnect')
    return socket.on('error', () => {})
  }
  const socket = await open()
  // A request whose body never comes; "100 Continue" says that it has begun.
  socket.write('POST /v1/statements HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n')
  socket.write('content-length: 9\r\nexpect: 100-continue\r\n\r\n')
  t.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 100 /)
  server.kill('SIGTERM')
  await until(async () => {
    const taken = await open().catch(() => undefined)
    taken?.destroy()
    return taken === undefined
  })
  t.equal(server.exitCode, null, 'it waits')
  server.kill('SIGINT')
  t.strictSame(await ended, [null, 'SIGINT'])
})
