import { X509Certificate } from 'node:crypto'
import { request } from 'node:https'
import type { Test } from 'tap'
import { MdmError } from '@mdm/core/errors'
import { readCertificate } from '@mdm/core/identity/certificate'
import type { Caller } from '@mdm/core/identity/identify'
import { createDigests } from '@mdm/server/deliver/digests'
import { openEntries } from '@mdm/server/srm/entries'
import { openFiles } from '@mdm/server/srm/files'
import { tapeRoutes } from '@mdm/server/srm/tape/routes'
import { turlRoutes } from '@mdm/server/srm/turl'
import { webdavRoutes } from '@mdm/server/srm/webdav'
import { known, listen, unknown } from '../http/listener.ts'
import { alice, BASE, bob, type World } from './fixture.ts'

const spkiOf = (certificate: string) => readCertificate(new X509Certificate(certificate).raw).spki
const callers = new Map([
  [spkiOf(known.certificate), { caller: alice, pair: known }],
  [spkiOf(unknown.certificate), { caller: bob, pair: unknown }],
])

export interface Got {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: Buffer
  /** false when the connection was cut before Content-Length bytes */
  readonly complete: boolean
}

export interface AskOptions {
  readonly as?: Caller
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: unknown
  /** a body as it is, said to be JSON */
  readonly text?: string
  /** called with the first bytes */
  readonly begun?: () => void
  /** reads on only after half a second */
  readonly slowly?: boolean
}

/** A real listener for grid clients before a world: alice and bob each have a certificate. */
export async function storageElement(t: Test, w: World, o: { recheckMs?: number } = {}) {
  const digests = createDigests()
  const { delivery, catalog, access, requests, audited } = w
  const entries = openEntries({ catalog, access, delivery, digests })
  const identify = async ([leaf]: readonly X509Certificate[]) => {
    const found = callers.get(leaf === undefined ? '' : readCertificate(leaf.raw).spki)
    if (found === undefined) throw new MdmError('MDM_UNAUTHENTICATED')
    if (w.rights.banned.has(found.caller.dn)) throw new MdmError('MDM_BANNED')
    return found.caller
  }
  const audit = { record: async (event: object) => void audited.push({ ...event }) }
  const files = { ...{ delivery, catalog, access, entries, digests, audit, identify }, ...o }
  const refused = async ({ code }: { code: string }) => void audited.push({ event: 'request-refused', code })
  const { url } = await listen(t, { speaks: 'httpg', identify }, (app) => {
    webdavRoutes(app, { files: openFiles(files), entries, identify })
    turlRoutes(app, { requests, files })
    tapeRoutes(app, { requests, entries, site: 'demo', base: BASE, refused })
  })
  return (path: string, ask: AskOptions = {}) => send(new URL(path.replace(BASE, ''), url), ask)
}

function send(
  url: URL,
  { as = alice, method = 'GET', headers = {}, body, begun, slowly = false, ...o }: AskOptions,
): Promise<Got> {
  const { certificate: cert, key } = [...callers.values()].find(({ caller }) => caller === as)!.pair
  const text = o.text ?? (body === undefined ? undefined : JSON.stringify(body))
  const typed = text === undefined ? {} : { 'content-type': 'application/json' }
  return new Promise((resolve, reject) => {
    const options = {
      cert,
      key,
      method,
      headers: { ...typed, ...headers },
      rejectUnauthorized: false,
      agent: false,
    }
    const sent = request(url, options, (reply) => {
      const chunks: Buffer[] = []
      reply.on('data', (chunk: Buffer) => {
        if (chunks.push(chunk) > 1) return
        begun?.()
        if (slowly) setTimeout(() => reply.resume(), 500)
        if (slowly) reply.pause()
      })
      reply.on('error', () => undefined)
      reply.on('close', () => {
        const { statusCode: status = 0, complete } = reply
        const got = reply.headers as Record<string, string>
        resolve({ status, headers: got, body: Buffer.concat(chunks), complete })
      })
    })
    sent.on('error', reject)
    sent.end(text)
  })
}

export const jsonOf = ({ body }: Got): any => JSON.parse(body.toString())
