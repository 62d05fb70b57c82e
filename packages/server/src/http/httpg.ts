import type { SecureContextOptions } from 'node:tls'
import type { App } from './app.ts'
import { dropDelegationFlag } from './delegation-flag.ts'

/**
 * TLS as grid clients speak it: 1.2, since the GSI of Globus takes the tickets of 1.3, which Node cannot leave out, for the
 * end of the connection (decision 49). Forward secrecy and authenticated encryption only.
 */
export const HTTPG_TLS: SecureContextOptions = {
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.2',
  ciphers: 'ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:!aNULL:!PSK',
  honorCipherOrder: true,
}

/** Methods of WebDAV (RFC 4918) that a client may send, to be answered or to be refused as writes. */
export const WEBDAV_METHODS = ['PROPFIND', 'PROPPATCH', 'MKCOL', 'COPY', 'MOVE', 'LOCK', 'UNLOCK'] as const

/** Makes a listener one that grid clients can talk to: the delegation flag, WebDAV's methods, bodies of any type as bytes. */
export function speakHttpg(app: App): void {
  const flags = dropDelegationFlag(app.server)
  app.addHook('preClose', (done) => {
    flags.cut()
    done()
  })
  for (const method of WEBDAV_METHODS) app.addHttpMethod(method, { hasBody: true })
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
}

/** The path of a request target: grid clients send the absolute form, as to a proxy (RFC 9112 section 3.2.2). */
export function pathOfTarget(target: string): string {
  const rest = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*(.*)$/i.exec(target)?.[1]
  if (rest === undefined) return target
  return rest.startsWith('/') ? rest : `/${rest}`
}
