import { X509Certificate } from 'node:crypto'
import { request } from 'node:https'
import { Writable } from 'node:stream'
import type { ConnectionOptions } from 'node:tls'
import type { Test } from 'tap'
import { createServiceCertificate } from '@mdm/core/identity/ca'
import { readCertificate } from '@mdm/core/identity/certificate'
import { MdmError } from '@mdm/core/errors'
import { createApp, type App, type AppOptions } from '../../../packages/server/src/http/app.ts'
import { openLog } from '../../../packages/server/src/http/log.ts'
import { serve } from '../../../packages/server/src/http/serve.ts'

/** One certificate for the listener, one it knows and one it does not; RSA keys are slow to make. */
const made = (name: string) => createServiceCertificate({ commonName: name, hosts: ['127.0.0.1'], days: 2 })
export const [server, known, unknown] = await Promise.all([made('server'), made('known'), made('unknown')])

const knownSpki = readCertificate(new X509Certificate(known.certificate).raw).spki

export interface Answer {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: string
}

export interface Listener {
  readonly url: string
  readonly app: App
  /** what the log got, as text */
  readonly log: string[]
  /** One request; without certificate when `as` is null. */
  ask(path: string, o?: AskOptions): Promise<Answer>
  stop(): Promise<void>
}

export interface AskOptions extends ConnectionOptions {
  readonly as?: { certificate: string; key: string } | null
  readonly method?: string
  readonly body?: string
  readonly headers?: Record<string, string>
}

/** A real listener on loopback that knows one certificate by its key. */
export async function listen(
  t: Test,
  o: Partial<AppOptions>,
  routes: (app: App) => void,
  graceMs = 100,
): Promise<Listener> {
  const log: string[] = []
  const destination = new Writable({ write: (chunk, _, done) => (log.push(String(chunk)), done()) })
  const app = createApp({
    tls: server,
    identify: async ([leaf]) => {
      const identity = leaf === undefined ? undefined : readCertificate(leaf.raw)
      if (identity?.spki !== knownSpki) throw new MdmError('MDM_UNAUTHENTICATED', 'the reason is ours')
      const { dn, issuer, spki, notAfter } = identity
      return { kind: 'user', dn, issuer, spki, notAfter, fqans: [] }
    },
    log: openLog({ destination }),
    ...o,
  })
  routes(app)
  const serving = await serve(app, { host: '127.0.0.1', port: 0, graceMs })
  t.teardown(() => serving.stop())
  return {
    url: serving.url,
    app,
    log,
    ask: (path, options) => ask(serving.url, path, options),
    stop: () => serving.stop(),
  }
}

function ask(
  url: string,
  path: string,
  { as = known, method, body, headers, ...tls }: AskOptions = {},
): Promise<Answer> {
  const credential = as === null ? {} : { cert: as.certificate, key: as.key }
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        hostname,
        port,
        path,
        agent: false,
        rejectUnauthorized: false,
        ...credential,
        ...tls,
        method: method ?? 'GET',
        headers: headers ?? {},
      },
      (reply) => {
        let text = ''
        reply.on('data', (chunk) => (text += String(chunk)))
        reply.on('error', reject)
        reply.on('end', () =>
          resolve({
            status: reply.statusCode ?? 0,
            headers: reply.headers as Record<string, string>,
            body: text,
          }),
        )
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

/** An answer without what may differ: date and request id. */
export function comparable({ status, headers, body }: Answer): object {
  const { date, 'mdm-request-id': requestId, ...others } = headers
  return { status, others, body, dateLength: date?.length, requestIdLength: requestId?.length }
}
