import { readFileSync, statSync, writeFileSync, existsSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { createSpill } from '@mdm/server/deliver/spill'

t.test('pieces come back at their place, from memory and from disk', async (t) => {
  const file = path.join(t.testdir(), 'x.spill')
  const spill = createSpill(file)
  t.teardown(() => spill.remove())
  const pieces = Array.from({ length: 40 }, (_, i) => Buffer.alloc(60_000 - i, `piece number ${i}, in clear`))
  const kept = []
  for (const [i, piece] of pieces.entries()) kept.push(await spill.put(piece, i))
  t.equal(statSync(file).mode & 0o777, 0o600)
  const onDisk = readFileSync(file)
  t.ok(onDisk.length > 1_000_000, 'most is on disk')
  t.notOk(onDisk.includes('in clear'), 'and cannot be read there')
  for (const [i, piece] of pieces.entries()) {
    const frame = Buffer.alloc(65_536)
    await spill.take(kept[i]!, frame)
    t.ok(frame.subarray(i, i + piece.length).equals(piece))
  }
  t.equal(new Set(kept.map(({ nonce }) => nonce)).size, pieces.length, 'no nonce is used twice')
  await spill.remove()
  t.notOk(existsSync(file))
})

t.test('an altered spill file is noticed', async (t) => {
  const file = path.join(t.testdir(), 'x.spill')
  const spill = createSpill(file)
  t.teardown(() => spill.remove())
  const first = await spill.put(Buffer.alloc(65_000, 1), 0)
  for (let i = 0; i < 20; i++) await spill.put(Buffer.alloc(65_000, 1), 0)
  const bytes = readFileSync(file)
  bytes[100]! ^= 1
  writeFileSync(file, bytes)
  await t.rejects(spill.take(first, Buffer.alloc(65_536)), { code: 'MDM_INTEGRITY' })
})

t.test('nothing spilled leaves no file', async (t) => {
  const file = path.join(t.testdir(), 'x.spill')
  await createSpill(file).remove()
  t.notOk(existsSync(file))
})
