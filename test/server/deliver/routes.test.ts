import { readdirSync, readFileSync } from 'node:fs'
import { request } from 'node:https'
import path from 'node:path'
import t, { type Test } from 'tap'
import { MdmError } from '@mdm/core/errors'
import type { Caller } from '@mdm/core/identity/identify'
import { parseServerTiming } from '@mdm/core/timing'
import { openAudit } from '@mdm/server/audit/audit'
import type { DeliveryOptions } from '@mdm/server/deliver/delivery'
import { deliveryRoutes, type DeliveryRoutes } from '@mdm/server/deliver/routes'
import { known, listen } from '../http/listener.ts'
import {
  deliveryOf,
  ORDERS,
  plaintextDigest,
  type Script,
  scriptedSource,
  sends,
  testVolume,
  type TestVolume,
  until,
} from './fixture.ts'

/** Who asks is the listener's matter; who that is now is played here. */
const KNOWN = { kind: 'user', dn: 'CN=known' } as Caller
const SLICES = 6
const forward = ORDERS.forward(SLICES)

interface Got {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: Buffer
  /** false when the connection was cut before Content-Length bytes */
  readonly complete: boolean
}

/** The real listener and audit log before a delivery; who may do what is another module's and only played here. */
async function site(
  t: Test,
  o: {
    script?: (v: TestVolume) => Script
    delivery?: Partial<DeliveryOptions>
    routes?: Partial<DeliveryRoutes>
  } = {},
) {
  const volume = testVolume({ columns: 256, rows: 256, slices: SLICES })
  const source = scriptedSource(volume, o.script?.(volume) ?? sends(volume, forward))
  t.teardown(() => audit.close())
  const folder = t.testdir()
  const auditFile = path.join(folder, 'audit.jsonl')
  const audit = await openAudit(auditFile)
  const made = deliveryOf(t, volume, { source, spoolDir: path.join(folder, 'spool'), ...o.delivery })
  const access = {
    resolveVolume: async () => ({ record: volume.record, latest: 1 }),
    requireRight: async () => undefined,
  }
  const identify = () => KNOWN
  const { url } = await listen(t, {}, (app) =>
    deliveryRoutes(app, {
      delivery: made.delivery,
      catalog: { requireThere: async () => {} },
      access,
      audit,
      identify,
      ...o.routes,
    }),
  )
  const get = (headers: Record<string, string> = {}, target = `/v1/content/${volume.record.guid}`) =>
    ask(url, target, headers)
  return { ...made, volume, source, get, auditFile, url }
}

function ask(url: string, target: string, headers: Record<string, string>, begun?: () => void): Promise<Got> {
  return new Promise((resolve, reject) => {
    const options = {
      cert: known.certificate,
      key: known.key,
      rejectUnauthorized: false,
      agent: false,
      headers,
    }
    const sent = request(new URL(target, url), options, (reply) => {
      const chunks: Buffer[] = []
      begun?.()
      reply.on('data', (chunk: Buffer) => chunks.push(chunk))
      reply.on('error', () => undefined)
      reply.on('close', () =>
        resolve({
          status: reply.statusCode!,
          headers: reply.headers as Record<string, string>,
          body: Buffer.concat(chunks),
          complete: reply.complete,
        }),
      )
    })
    sent.on('error', reject)
    sent.end()
  })
}

const codeOf = ({ body }: Got) => (JSON.parse(body.toString()) as { code: string }).code
const eventsIn = (file: string) =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

t.test('a get gives the container with its names, length and the time of each step', async (t) => {
  const { get, volume } = await site(t)
  const got = await get()
  const { guid, kid, containerBytes } = volume.record
  t.match(got, {
    status: 200,
    complete: true,
    headers: {
      'content-type': 'application/x-mdm-volume',
      'content-length': String(containerBytes),
      'accept-ranges': 'bytes',
      etag: /^"[A-Za-z0-9_-]{43}"$/,
      'mdm-guid': guid,
      'mdm-version': '1',
      'mdm-kid': kid,
    },
  })
  t.notHas(got.headers, 'mdm-latest')
  t.equal(await plaintextDigest(got.body, volume), volume.sha256)
  const rows = parseServerTiming(got.headers['server-timing']!).map(({ name }) => name)
  t.same(rows.sort(), [
    'access-control',
    'dicom-transaction',
    'open-overhead',
    'resolve-surl',
    'retrieve-key',
  ])
})

t.test('a newer version is named', async (t) => {
  const volume = testVolume({ slices: 1 })
  const access = {
    resolveVolume: async () => ({ record: volume.record, latest: 3 }),
    requireRight: async () => undefined,
  }
  const delivery = {
    sources: new Map([['memory', scriptedSource(volume, sends(volume, [0]))]]),
    keys: { fetch: async () => volume.fileKey },
  }
  const { get } = await site(t, { routes: { access }, delivery })
  t.match((await get()).headers, { 'mdm-version': '1', 'mdm-latest': '3' })
})

t.test('each release is in the audit log once, with caller and part, before the body', async (t) => {
  const { get, auditFile, volume } = await site(t)
  await get()
  await get({ range: 'bytes=10-19' })
  const { guid, kid } = volume.record
  const event = {
    event: 'volume.get',
    outcome: 'done',
    object: 'file',
    guid,
    version: 1,
    kid,
    caller: { dn: 'CN=known' },
  }
  t.match(eventsIn(auditFile), [
    { ...event, facts: { start: 0, end: volume.record.containerBytes } },
    { ...event, facts: { start: 10, end: 20 } },
  ])
})

t.test('what cannot be audited is not released', async (t) => {
  const audit = { record: () => Promise.reject(new MdmError('MDM_AUDIT')) }
  const { get } = await site(t, { routes: { audit } })
  const got = await get()
  t.equal(got.status, 503)
  t.equal(codeOf(got), 'MDM_AUDIT')
})

t.test('range and If-Range follow the message id', async (t) => {
  const { get } = await site(t)
  const whole = await get()
  const { etag } = whole.headers as { etag: string }
  const part = await get({ range: 'bytes=1000-70000', 'if-range': etag })
  t.equal(part.status, 206)
  t.equal(part.headers['content-range'], `bytes 1000-70000/${whole.body.length}`)
  t.ok(part.body.equals(whole.body.subarray(1000, 70_001)))
  const other = await get({ range: 'bytes=1000-70000', 'if-range': `"${'A'.repeat(43)}"` })
  t.equal(other.status, 200)
  t.ok(other.body.equals(whole.body))
  const outside = await get({ range: `bytes=${whole.body.length}-` })
  t.match(outside, { status: 416, headers: { 'content-range': `bytes */${whole.body.length}` } })
  t.equal(codeOf(outside), 'MDM_RANGE')
})

const REFUSALS = {
  'the source is down': [502, 'MDM_SOURCE_UNREACHABLE'],
  'the key servers are down': [503, 'MDM_BELOW_THRESHOLD'],
  'the source has changed': [409, 'MDM_SOURCE_CHANGED'],
  'the spool is full': [507, 'MDM_SPOOL_FULL'],
} as const
for (const [what, [status, code]] of Object.entries(REFUSALS)) {
  t.test(
    `when ${what} the answer is a ${status}, not a cut 200, and nothing counts as released`,
    async (t) => {
      const { get, auditFile } = await site(t, {
        script: () =>
          async function* () {
            throw new MdmError(code === 'MDM_SOURCE_CHANGED' ? code : 'MDM_SOURCE_UNREACHABLE')
          },
        delivery: {
          ...(code === 'MDM_SPOOL_FULL' ? { quotaBytes: 1 } : {}),
          ...(code === 'MDM_BELOW_THRESHOLD'
            ? { keys: { fetch: () => Promise.reject(new MdmError(code)) } }
            : {}),
        },
      })
      const got = await get()
      t.equal(got.status, status)
      t.equal(codeOf(got), code)
      t.same(eventsIn(auditFile), [])
    },
  )
}

t.test('when the source fails midway the body is cut, and the preparation says why', async (t) => {
  const answered = Promise.withResolvers<void>()
  const script = (volume: TestVolume): Script =>
    async function* (asked) {
      if (asked.has(0)) yield volume.instance(0)
      await answered.promise
    }
  const { get, volume, url } = await site(t, { script })
  const got = await ask(url, `/v1/content/${volume.record.guid}`, {}, answered.resolve)
  t.match(got, { status: 200, complete: false })
  await t.rejects(plaintextDigest(got.body, volume), { code: 'MDM_CONTAINER' })
  const etag = got.headers.etag!.slice(1, -1)
  const report = await get({}, `/v1/volumes/${volume.record.guid}/preparations/${etag}`)
  t.match(JSON.parse(report.body.toString()), { state: 'FAILED', code: 'MDM_SOURCE_INCOMPLETE' })
})

t.test('a preparation is known only to those who may read the file', async (t) => {
  let refusal: MdmError | undefined
  const access = {
    resolveVolume: () => Promise.reject(refusal),
    requireRight: async () => {
      if (refusal !== undefined) throw refusal
    },
  }
  const it = await site(t, { routes: { access } })
  const lease = await it.delivery.open(it.volume.record, { signal: new AbortController().signal })
  const report = (etag: string) => it.get({}, `/v1/volumes/${it.volume.record.guid}/preparations/${etag}`)
  t.match(JSON.parse((await report(lease.etag)).body.toString()), { state: /^(FILLING|SEALED)$/ })
  refusal = new MdmError('MDM_NOT_FOUND')
  const [hidden, absent] = [await report(lease.etag), await report('A'.repeat(43))]
  t.equal(hidden.status, 404)
  t.equal(hidden.body.toString(), absent.body.toString())
  lease.release()
})

t.test('a caller who hangs up is forgotten, and the preparation is given up', async (t) => {
  const script = (volume: TestVolume) =>
    sends(volume, forward, (k) => (k > 0 ? new Promise(() => undefined) : Promise.resolve()))
  const { url, volume, spoolDir } = await site(t, { script, delivery: { idleMs: 20 } })
  const options = { cert: known.certificate, key: known.key, rejectUnauthorized: false, agent: false }
  const sent = request(new URL(`/v1/content/${volume.record.guid}`, url), options, (reply) => {
    reply.once('data', () => sent.destroy())
  })
  sent.on('error', () => undefined)
  sent.end()
  const files = () => readdirSync(spoolDir)
  await until(() => files().length > 0)
  await until(() => files().length === 0)
  t.pass('its files are gone')
})

t.test('a name that is none is a bad request', async (t) => {
  const { get } = await site(t)
  t.equal(codeOf(await get({}, '/v1/content/not-a-name')), 'MDM_BAD_REQUEST')
})

t.test('who is banned or loses the right while a transfer runs is cut off', async (t) => {
  for (const code of ['MDM_BANNED', 'MDM_DENIED'] as const) {
    let refused = false
    const held = Promise.withResolvers<void>()
    t.teardown(() => held.resolve())
    const script = (v: TestVolume) => sends(v, forward, (k) => (k === 3 ? held.promise : Promise.resolve()))
    const may = async () => {
      if (refused) throw new MdmError(code)
    }
    const played: Pick<DeliveryRoutes, 'identify' | 'access'> = {
      identify: async () => {
        if (code === 'MDM_BANNED') await may()
        return KNOWN
      },
      access: {
        resolveVolume: async () => ({ record: made.volume.record, latest: 1 }),
        requireRight: code === 'MDM_DENIED' ? may : async () => undefined,
      },
    }
    const made = await site(t, { script, routes: { ...played, recheckMs: 20 } })
    const target = `/v1/content/${made.volume.record.guid}`
    const got = await ask(made.url, target, {}, () => (refused = true))
    t.match({ code, ...got }, { code, status: 200, complete: false })
    held.resolve()
  }
})

t.test('who loses the right while the volume is being opened gets nothing', async (t) => {
  let asked = 0
  const access = {
    resolveVolume: async () => ({ record: made.volume.record, latest: 1 }),
    requireRight: async () => {
      if (++asked > 1) throw new MdmError('MDM_DENIED')
    },
  }
  const made = await site(t, { routes: { access } })
  const got = await made.get()
  t.equal(codeOf(got), 'MDM_DENIED')
  t.strictSame(readFileSync(made.auditFile, 'utf8'), '')
})
