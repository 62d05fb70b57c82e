import { request } from 'node:https'
import { once } from 'node:events'
import t from 'tap'
import { z } from 'zod'
import { contract } from '@mdm/core/wire/contract'
import { route } from '../../../packages/server/src/http/route.ts'
import { known, listen } from './listener.ts'

const content = contract({ method: 'GET', path: '/v1/content/:name', params: z.object({ name: z.string() }) })

t.test('a stream leaves with the status, length and headers of the handler', async (t) => {
  const { ask } = await listen(t, {}, (app) =>
    route(app, content, async () => ({
      status: 206,
      headers: { 'content-range': 'bytes 0-3/10', 'content-length': 4, etag: '"x"' },
      body: (async function* () {
        yield Buffer.from('ab')
        yield Buffer.from('cd')
      })(),
    })),
  )
  const answer = await ask('/v1/content/x')
  t.match(answer, {
    status: 206,
    body: 'abcd',
    headers: { 'content-length': '4', 'content-range': 'bytes 0-3/10', etag: '"x"' },
  })
})

t.test('a stream that fails half way cuts the connection, so that it cannot look whole', async (t) => {
  const { ask } = await listen(t, {}, (app) =>
    route(app, content, async () => ({
      headers: { 'content-length': 10 },
      body: (async function* () {
        yield Buffer.from('ab')
        throw new Error('the source is gone')
      })(),
    })),
  )
  await t.rejects(ask('/v1/content/x'), { code: 'ECONNRESET' })
})

t.test('the handler learns that the caller has gone', async (t) => {
  let gone: Promise<unknown> | undefined
  const { url } = await listen(t, {}, (app) =>
    route(app, content, async ({ signal }) => {
      gone = once(signal, 'abort')
      return {
        body: (async function* () {
          for (;;) {
            yield Buffer.alloc(1000)
            await new Promise((resolve) => setTimeout(resolve, 5))
          }
        })(),
      }
    }),
  )
  const { hostname, port } = new URL(url)
  const asked = request({
    hostname,
    port,
    path: '/v1/content/x',
    rejectUnauthorized: false,
    cert: known.certificate,
    key: known.key,
  })
  asked.on('error', () => undefined)
  asked.end()
  const [reply] = (await once(asked, 'response')) as [NodeJS.EventEmitter]
  await once(reply, 'data')
  asked.destroy()
  await gone
  t.pass('the signal aborted')
})

t.test('stopping lets an answer under way end', async (t) => {
  const [begun, finish] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const { app, ask } = await listen(t, {}, (app) =>
    route(app, content, async () => {
      begun.resolve()
      await finish.promise
      return { body: 'whole' }
    }),
  )
  const answer = ask('/v1/content/x')
  await begun.promise
  const closed = app.close()
  finish.resolve()
  t.equal((await answer).body, 'whole')
  await closed
})
