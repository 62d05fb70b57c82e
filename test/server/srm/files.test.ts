import t from 'tap'
import type { Caller } from '@mdm/core/identity/identify'
import { parseVolumeName } from '@mdm/core/names'
import { createDigests } from '@mdm/server/deliver/digests'
import { openFiles, type FilesOptions } from '@mdm/server/srm/files'
import { readOnly } from '@mdm/server/srm/webdav'
import { deliveryOf, ORDERS, scriptedSource, sends, testVolume } from '../deliver/fixture.ts'
import { listen } from '../http/listener.ts'

/** Files of one volume whose slices but the first wait for a gate; who may do what is only played here. */
async function slowly(t: Parameters<typeof listen>[0], o: Partial<FilesOptions> = {}) {
  const volume = testVolume({ slices: 3 })
  let open = () => {}
  const gate = new Promise<void>((resolve) => (open = resolve))
  const source = scriptedSource(
    volume,
    sends(volume, ORDERS.forward(3), (k) => (k === 0 ? Promise.resolve() : gate)),
  )
  const { delivery } = deliveryOf(t, volume, { source })
  const files = openFiles({
    delivery,
    catalog: { requireThere: async () => undefined },
    access: {
      resolveVolume: async () => ({ record: volume.record, latest: 2 }),
      requireRight: async () => undefined,
    },
    audit: { record: async () => ({}) as never },
    identify: () => ({ kind: 'user', dn: 'CN=known' }) as Caller,
    entries: { stat: async () => ({}) as never },
    digests: createDigests(),
    ...o,
  })
  const name = parseVolumeName(volume.record.guid)
  const { ask } = await listen(t, { speaks: 'httpg' }, (app) =>
    readOnly(app, '/file', (c) => (c.request.method === 'HEAD' ? files.head(c, name) : files.get(c, name))),
  )
  return { ask, open, source, delivery, volume }
}

const HEAD = { method: 'HEAD', headers: { 'want-digest': 'adler32' } }

t.test('a digest is waited for, and comes when the last slice has come', async (t) => {
  const { ask, open } = await slowly(t)
  const asked = ask('/file', HEAD)
  let answered = false
  void asked.then(() => (answered = true))
  t.match(await ask('/file', { method: 'HEAD' }), { status: 200, headers: { digest: undefined } })
  t.notOk(answered)
  open()
  t.match(await asked, { status: 200, headers: { digest: /^adler32=[0-9a-f]{8}$/, 'mdm-latest': '2' } })
})

t.test('what takes too long is answered without a digest, and goes on for who asks again', async (t) => {
  const { ask, open, source } = await slowly(t, { sealedWaitMs: 50 })
  t.match(await ask('/file', HEAD), { status: 200, headers: { digest: undefined, etag: undefined } })
  open()
  for (let answer = await ask('/file', HEAD); ; answer = await ask('/file', HEAD)) {
    if (answer.headers.digest !== undefined) break
  }
  t.equal(source.attempts, 1, 'its source was read once')
})

t.test('who may no longer read when the container is whole is not told its digest', async (t) => {
  let revoked = false
  const { ask, open } = await slowly(t, {
    catalog: {
      requireThere: async () => {
        if (revoked) throw new (await import('@mdm/core/errors')).MdmError('MDM_GONE')
      },
    },
  })
  const asked = ask('/file', HEAD)
  await ask('/file', { method: 'HEAD' })
  revoked = true
  open()
  t.match(await asked, { status: 410, headers: { digest: undefined } })
})

t.test('what a preparation fails of is the answer', async (t) => {
  const volume = testVolume({ slices: 1 })
  const { delivery } = deliveryOf(t, volume, {
    source: scriptedSource(volume, async function* () {
      yield* []
    }),
  })
  const { ask } = await slowly(t, {
    delivery,
    access: {
      resolveVolume: async () => ({ record: volume.record, latest: 1 }),
      requireRight: async () => undefined,
    },
  })
  t.match(await ask('/file', HEAD), { status: 502 })
})
