import { readFile } from 'node:fs/promises'
import { once } from 'node:events'
import { join } from 'node:path'
import { connect } from 'node:tls'
import t from 'tap'
import { getWhoami } from '@mdm/core/wire/common'
import {
  holdsMatrix,
  identityMatrix,
  renegotiatesNothing,
  resumesNothing,
  type Dial,
  type Verdict,
} from '../fixtures/identity-matrix.ts'
import { proxyOf, tlsOf } from '../fixtures/x509/proxies.ts'
import { startSiteGrid } from '../server/site-grid.ts'

/** how far the site's clock has gone on */
let aheadMs = 0
const grid = await startSiteGrid(t, { site: { now: () => new Date(Date.now() + aheadMs) } })
const { dir, site, keyServers, users } = grid.provisioned
const scientist = users['scientist']!
const read = async (path: string) => await readFile(path, 'utf8')
const rows = identityMatrix({
  ca: await read(join(dir, 'ca', 'ca.pem')),
  certificate: await read(scientist.config.replace('config.json', 'scientist.pem')),
  key: await read(scientist.config.replace('config.json', 'scientist.key')),
})

const VERDICTS: Readonly<Record<string, Verdict>> = {
  MDM_UNAUTHENTICATED: 'refused',
  MDM_CREDENTIAL_EXPIRED: 'expired',
  MDM_REVOKED: 'revoked',
}

/** Connections of plain TLS, so that what is sent is what the table says. */
const dialApi =
  (url: string, maxVersion: 'TLSv1.2' | 'TLSv1.3' = 'TLSv1.3'): Dial =>
  async (brought) => {
    const { hostname: host, port } = new URL(url)
    const socket = connect({ host, port: Number(port), rejectUnauthorized: false, maxVersion, ...brought })
    await once(socket, 'secureConnect')
    return {
      socket,
      async ask() {
        socket.write(`GET ${getWhoami.path} HTTP/1.1\r\nhost: x\r\n\r\n`)
        let text = ''
        for (;;) {
          const cut = once(socket, 'close').then(() => Promise.reject(new Error('cut')))
          cut.catch(() => undefined)
          text += String(((await Promise.race([once(socket, 'data'), cut])) as unknown[])[0])
          const body = text.slice(text.indexOf('\r\n\r\n') + 4)
          if (!/\}\s*$/.test(body)) continue
          const answer = JSON.parse(body) as { code?: string; dn?: string }
          if (answer.code !== undefined) return VERDICTS[answer.code]!
          t.equal(answer.dn, scientistDn, 'the name is the owner’s')
          return 'accepted'
        }
      },
    }
  }

/** The same on the port of grid clients: the delegation flag, TLS 1.2, and a question that tells no name. */
const dialSrm: Dial = async (brought) => {
  const { port } = new URL(site.srm)
  const socket = connect({ host: '127.0.0.1', port: Number(port), rejectUnauthorized: false, ...brought })
  await once(socket, 'secureConnect')
  let sent = false
  return {
    socket,
    async ask() {
      socket.write(`${sent ? '' : '0'}OPTIONS httpg://localhost:${port}/mdm HTTP/1.1\r\nhost: x\r\n\r\n`)
      sent = true
      let text = ''
      for (;;) {
        const cut = once(socket, 'close').then(() => Promise.reject(new Error('cut')))
        cut.catch(() => undefined)
        text += String(((await Promise.race([once(socket, 'data'), cut])) as unknown[])[0])
        if (/^HTTP\/1\.1 200 [\s\S]*\r\n\r\n$/.test(text)) return 'accepted'
        const body = text.slice(text.indexOf('\r\n\r\n') + 4)
        if (/\}\s*$/.test(body)) return VERDICTS[(JSON.parse(body) as { code: string }).code]!
      }
    },
  }
}

const scientistDn = (await (await grid.as('scientist')).site.call(getWhoami)).dn
const listeners = { 'the site': site.api, 'a key server': keyServers[0]!.url }

for (const [who, url] of Object.entries(listeners)) {
  t.test(`${who} lets in certificates and proxies, and nobody else`, (t) =>
    holdsMatrix(t, rows, dialApi(url)),
  )

  t.test(`${who} resumes no session of a proxy and renegotiates with none`, async (t) => {
    const proxy = rows.find(({ what }) => what === 'a proxy of a proxy')!.holder
    await resumesNothing(t, proxy, dialApi(url))
    await renegotiatesNothing(t, proxy, dialApi(url))
    await t.rejects(dialApi(url, 'TLSv1.2')(tlsOf(proxy)), 'nothing older than TLS 1.3')
  })
}

t.test('the storage element lets in certificates and proxies, and nobody else', (t) =>
  holdsMatrix(t, rows, dialSrm),
)

t.test('the storage element resumes no session of a proxy and renegotiates with none', async (t) => {
  const proxy = rows.find(({ what }) => what === 'a proxy of a proxy')!.holder
  await resumesNothing(t, proxy, dialSrm)
  await renegotiatesNothing(t, proxy, dialSrm)
})

t.test('a proxy ends on an open connection, and its owner goes on', async (t) => {
  const owner = rows[0]!.holder
  const proxy = proxyOf(proxyOf(owner, { notAfter: new Date(Date.now() + 3_600_000) }))
  const [job, person] = await Promise.all([proxy, owner].map((who) => dialApi(site.api)(tlsOf(who))))
  t.strictSame([await job!.ask(), await person!.ask()], ['accepted', 'accepted'])
  aheadMs = 3_700_000
  t.strictSame([await job!.ask(), await person!.ask()], ['expired', 'accepted'])
  aheadMs = 0
  t.equal(await job!.ask(), 'accepted', 'the time is asked with every request')
  for (const { socket } of [job!, person!]) socket.destroy()
})
