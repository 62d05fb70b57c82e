import { createHash } from 'node:crypto'
import { readFileSync, truncateSync } from 'node:fs'
import { deflateSync } from 'node:zlib'
import t from 'tap'
import { adler32 } from '@mdm/core/crypto/adler32'
import { createDigests } from '@mdm/server/deliver/digests'
import {
  bytesOf,
  deliveryOf,
  forever,
  get,
  ORDERS,
  scriptedSource,
  sends,
  stream,
  testVolume,
  until,
} from './fixture.ts'

/** zlib writes it behind its data (RFC 1950): another implementation's word. */
const byZlib = (bytes: Buffer) =>
  deflateSync(bytes, { level: 0 }).readUInt32BE(deflateSync(bytes, { level: 0 }).length - 4)

t.test('Adler-32 is that of zlib, whole or in pieces, also of what sums up fastest', async (t) => {
  t.equal(adler32(Buffer.from('Wikipedia')), 0x11e60398)
  const samples = [0, 1, 3_799, 3_800, 3_801, 65_521, 300_000].flatMap((length) => [
    Buffer.alloc(length, 0xff),
    Buffer.from(Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 0xff)),
  ])
  for (const bytes of samples) {
    t.equal(adler32(bytes), byZlib(bytes), `${bytes.length} bytes`)
    const half = Math.floor(bytes.length / 3)
    t.equal(adler32(bytes.subarray(half), adler32(bytes.subarray(0, half))), byZlib(bytes))
  }
})

t.test('digests are of the sealed container, which is read once', async (t) => {
  const volume = testVolume({ slices: 3 })
  const source = scriptedSource(volume, sends(volume, ORDERS.forward(3)))
  const { delivery } = deliveryOf(t, volume, { source })
  t.equal(delivery.sealed(volume.record), undefined, 'a look begins nothing')
  t.equal(source.attempts, 0)
  const container = await get(delivery, volume)
  const sealed = delivery.sealed(volume.record)!
  const digests = createDigests()
  const expected = {
    adler32: byZlib(container).toString(16).padStart(8, '0'),
    sha256: createHash('sha256').update(container).digest('base64'),
  }
  const [one, two] = await Promise.all([digests.of(sealed), digests.of(sealed)])
  t.strictSame(one, expected)
  t.equal(one, two)
  const { path, length } = sealed.container!
  const kept = readFileSync(path)
  t.equal(kept.length, length)
  truncateSync(path, 10)
  t.equal(await digests.of(sealed), one, 'known, so the file is left alone')
  await t.rejects(
    createDigests().of(sealed),
    { code: 'MDM_INTEGRITY' },
    'and one that was cut short has none',
  )
  await until(() => !sealed.held)
  t.pass('whoever read has let go')
})

t.test('what is waited for is sealed, or has failed', async (t) => {
  const volume = testVolume({ slices: 2 })
  let open = () => {}
  const gate = new Promise<void>((resolve) => (open = resolve))
  const source = scriptedSource(
    volume,
    sends(volume, ORDERS.forward(2), (k) => (k === 0 ? Promise.resolve() : gate)),
  )
  const { delivery } = deliveryOf(t, volume, { source })
  const lease = await delivery.open(volume.record, { signal: forever })
  t.equal(delivery.sealed(volume.record), undefined, 'half is not sealed')
  const late = AbortSignal.timeout(20)
  await t.rejects(lease.preparation.whenSealed(late), { name: 'TimeoutError' })
  open()
  await lease.preparation.whenSealed(forever)
  t.equal(lease.preparation.state, 'SEALED')
  t.equal((await bytesOf(stream(lease))).length, lease.length)
})
