import t from 'tap'
import {
  deliveryOf,
  filesIn,
  get,
  ORDERS,
  plaintextDigest,
  scriptedSource,
  sends,
  testVolume,
  until,
} from './fixture.ts'

const SHAPES = {
  'slices smaller than a frame': { columns: 24, rows: 20, slices: 500 },
  'slices larger than a frame': { columns: 256, rows: 256, slices: 12 },
  'one slice in less than a frame': { columns: 10, rows: 10, slices: 1 },
  'slices of many frames': { columns: 1500, rows: 1000, slices: 3 },
}

for (const [shape, size] of Object.entries(SHAPES)) {
  for (const [order, of] of Object.entries(ORDERS)) {
    t.test(`${shape}, sent ${order}, give the same plaintext`, async (t) => {
      const volume = testVolume(size)
      const source = scriptedSource(volume, sends(volume, of(size.slices)))
      const { delivery, digests } = deliveryOf(t, volume, { source })
      const container = await get(delivery, volume)
      t.equal(container.length, volume.record.containerBytes)
      t.equal(await plaintextDigest(container, volume), volume.sha256)
      t.same(digests, [volume.sha256], 'the digest of the plaintext in order is recorded')
      t.equal(source.attempts, 1)
      t.ok((await get(delivery, volume)).equals(container), 'a second reader gets the same container')
      t.equal(source.attempts, 1, 'which is not prepared again')
    })
  }
}

for (const [order, of] of Object.entries(ORDERS)) {
  t.test(`beyond the window, pieces sent ${order} are spilled and nothing on disk can be read`, async (t) => {
    const size = { columns: 60, rows: 60, slices: 800 }
    const volume = testVolume(size)
    let [sent, spilled] = [0, 0]
    // Long enough that ciphertext holds neither by chance: it has any four given bytes in one of a thousand files.
    const plain = [volume.marker, Buffer.from('NRRD000')]
    const readable = () =>
      [...filesIn(spoolDir).values()].filter((bytes) => plain.some((text) => bytes.includes(text)))
    const look = async () => {
      if (++sent % 50 !== 0) return
      for (const [name, bytes] of filesIn(spoolDir))
        if (name.endsWith('.spill')) spilled = Math.max(spilled, bytes.length)
      if (readable().length > 0) t.fail('plaintext on disk')
    }
    const source = scriptedSource(volume, sends(volume, of(size.slices), look))
    const { delivery, spoolDir } = deliveryOf(t, volume, { source, windowBytes: 2 * 65_536 })
    t.equal(await plaintextDigest(await get(delivery, volume), volume), volume.sha256)
    if (order === 'forward' || order === 'reversed')
      t.equal(spilled, 0, 'a neighbouring order needs no spill file')
    else t.ok(spilled > 2_000_000, 'most pieces were in the spill file')
    t.same(readable(), [])
    await until(() => ![...filesIn(spoolDir).keys()].some((name) => name.includes('.')))
    t.equal(filesIn(spoolDir).size, 1, 'one sealed container is left, no spill file')
  })
}
