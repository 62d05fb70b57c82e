import { createSecretKey } from 'node:crypto'
import t from 'tap'
import { Cursor } from '../../../packages/core/src/wire/changes.ts'
import { changeCursors } from '../../../packages/server/src/catalog/change-cursor.ts'

const cursors = changeCursors(createSecretKey(Buffer.alloc(32, 1)))
const others = changeCursors(createSecretKey(Buffer.alloc(32, 2)))

t.test('a cursor is its place, for this site alone', async (t) => {
  for (const seq of [0, 1, 2, 1_000_000, 2 ** 31, Number.MAX_SAFE_INTEGER]) {
    const cursor = cursors.format(seq)
    t.equal(cursors.parse(Cursor.parse(cursor)), seq)
    t.throws(() => others.parse(cursor), { code: 'MDM_BAD_REQUEST' })
  }
})

t.test('a cursor that was made up or changed is refused', async (t) => {
  const good = cursors.format(7)
  for (let i = 0; i < 21; i++) {
    const changed = good.slice(0, i) + (good[i] === 'A' ? 'B' : 'A') + good.slice(i + 1)
    t.throws(() => cursors.parse(changed), { code: 'MDM_BAD_REQUEST' })
  }
})

t.test('two cursors do not say how much lies between them', async (t) => {
  const bytes = [1, 2, 3].map((seq) => Buffer.from(cursors.format(seq), 'base64url'))
  const distances = bytes.slice(1).map((b, i) => b.filter((byte, k) => byte !== bytes[i]![k]).length)
  for (const distance of distances) t.ok(distance > 8, `${distance} of 16 bytes differ`)
})
