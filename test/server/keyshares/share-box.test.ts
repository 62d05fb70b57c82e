import { createSecretKey, randomBytes } from 'node:crypto'
import t from 'tap'
import { openShare, sealShare } from '../../../packages/server/src/keyshares/share-box.ts'

const key = createSecretKey(randomBytes(32))
const name = { guid: 'g', kid: 'k', epoch: 1 }
const share = randomBytes(124)

t.test('what was sealed opens, and never looks the same twice', async (t) => {
  const [one, two] = [sealShare(key, name, share), sealShare(key, name, share)]
  t.strictSame(openShare(key, name, one), share)
  t.strictSame(openShare(key, name, two), share)
  t.notSame(one, two)
})

t.test('a row that was altered, cut or moved to another name does not open', async (t) => {
  const sealed = sealShare(key, name, share)
  for (let i = 0; i < sealed.length; i++) {
    const altered = Buffer.from(sealed)
    altered[i]! ^= 0x80
    t.throws(() => openShare(key, name, altered), { code: 'MDM_INTEGRITY' }, `byte ${i}`)
  }
  for (const length of [0, 11, 27, 28, sealed.length - 1]) {
    t.throws(
      () => openShare(key, name, sealed.subarray(0, length)),
      { code: 'MDM_INTEGRITY' },
      `${length} bytes`,
    )
  }
  for (const other of [
    { ...name, guid: 'h' },
    { ...name, kid: 'l' },
    { ...name, epoch: 2 },
  ]) {
    t.throws(() => openShare(key, other, sealed), { code: 'MDM_INTEGRITY' })
  }
  const otherKey = createSecretKey(randomBytes(32))
  t.throws(() => openShare(otherKey, name, sealed), { code: 'MDM_INTEGRITY' })
})
