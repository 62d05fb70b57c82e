import { setTimeout as sleep } from 'node:timers/promises'
import { request } from 'node:https'
import t, { type Test } from 'tap'
import { MdmError } from '@mdm/core/errors'
import type { Caller } from '@mdm/core/identity/identify'
import type { Entries } from '@mdm/server/srm/entries'
import { openFiles, type FilesOptions } from '@mdm/server/srm/files'
import { webdavRoutes } from '@mdm/server/srm/webdav'
import { memoryEntries } from '../../fixtures/srm-memory.ts'
import { known, listen } from '../http/listener.ts'
import { alice } from './fixture.ts'
import { guidOf } from './operations/soap-site.ts'

const COUNT = 6_500

interface Got {
  readonly status: number
  readonly body: string
  readonly complete: boolean
}

/** A folder of many volumes on a real listener, and what of it was looked at. */
async function folder(
  t: Test,
  o: { count?: number; page?: (n: number) => void; identify?: () => Caller } = {},
) {
  const held = Array.from({ length: o.count ?? COUNT }, (_, n) => ({ guid: guidOf(n), bytes: n }))
  const memory = memoryEntries(held)
  const limits: number[] = []
  const entries: Entries = {
    stat: (...given) => memory.stat(...given),
    async list(caller, asked) {
      limits.push(asked.limit)
      o.page?.(limits.length)
      return await memory.list(caller, asked)
    },
  }
  const files = openFiles({ entries } as unknown as FilesOptions)
  const { url } = await listen(t, { speaks: 'httpg' }, (app) =>
    webdavRoutes(app, { files, entries, identify: o.identify ?? (() => alice) }),
  )
  const list = (reading: (resume: () => void) => void = (resume) => resume()): Promise<Got> =>
    new Promise((resolve, reject) => {
      const { certificate: cert, key } = known
      const options = { cert, key, rejectUnauthorized: false, agent: false as const, headers: { depth: '1' } }
      const sent = request(new URL('/mdm/', url), { method: 'PROPFIND', ...options }, (reply) => {
        let body = ''
        reply.on('error', () => undefined)
        reply.on('close', () => resolve({ status: reply.statusCode!, body, complete: reply.complete }))
        reading(() => void reply.setEncoding('utf8').on('data', (text: string) => (body += text)))
      })
      sent.on('error', reject).end()
    })
  return { list, limits }
}

t.test('a folder of thousands is listed whole by PROPFIND, each volume once', async (t) => {
  const { list, limits } = await folder(t)
  const { status, body, complete } = await list()
  t.match({ status, complete }, { status: 207, complete: true })
  const names = [...body.matchAll(/<D:href>\/mdm\/([0-9a-f-]{36})<\/D:href>/g)].map(([, guid]) => guid)
  t.strictSame(
    names,
    Array.from({ length: COUNT }, (_, n) => guidOf(n)),
  )
  t.ok(body.startsWith('<?xml') && body.endsWith('</D:multistatus>\n'))
  t.equal(body.split('<D:collection/>').length, 2, 'the folder itself is named once')
  t.ok(
    limits.every((limit) => limit <= 1_000),
    'a page at a time',
  )
})

t.test('no more is looked at than is read', async (t) => {
  // More than the buffers of a connection on loopback take.
  const { list, limits } = await folder(t, { count: 60_000 })
  let stopped = 0
  const { complete } = await list((resume) => {
    void sleep(500).then(() => {
      stopped = limits.length
      resume()
    })
  })
  t.ok(stopped < 40, `${stopped} of 61 pages while nothing was read`)
  t.equal(limits.length, 61)
  t.equal(complete, true)
})

t.test('a store that fails is a status at first, and cuts the listing later', async (t) => {
  const fails = (n: number) =>
    folder(t, {
      page: (page) => {
        if (page === n) throw new MdmError('MDM_STORE')
      },
    })
  t.match(await (await fails(1)).list(), { status: 503, body: /MDM_STORE/, complete: true })
  t.match(await (await fails(4)).list(), { status: 207, complete: false })
})

t.test('who is banned meanwhile sees no more', async (t) => {
  let pages = 0
  const { list } = await folder(t, {
    identify() {
      if (++pages > 2) throw new MdmError('MDM_BANNED')
      return alice
    },
  })
  const { body, complete } = await list()
  t.equal(complete, false)
  t.notMatch(body, guidOf(3_000))
})
