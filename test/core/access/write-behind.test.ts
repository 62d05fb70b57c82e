import { open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { WriteBehind } from '@mdm/core/access/write-behind'
import { generator } from '../../fixtures/random.ts'

async function fresh(t: Test) {
  const path = join(t.testdir(), 'file')
  const handle = await open(path, 'wx+')
  t.teardown(() => handle.close().catch(() => {}))
  return { path, handle }
}

t.test('what is put in pieces of any length is in the file once, in its order', async (t) => {
  const { path, handle } = await fresh(t)
  const random = generator(1)
  const behind = new WriteBehind(handle, { pieceBytes: 1_000 })
  const pieces: Buffer[] = []
  for (let i = 0; i < 200; i++) {
    const piece = Buffer.alloc(random(3_500), i)
    pieces.push(Buffer.from(piece))
    await behind.put(piece)
    // the bytes are the putter's again
    piece.fill(0xff)
  }
  await behind.flush()
  t.ok((await readFile(path)).equals(Buffer.concat(pieces)))
  await behind.put(Buffer.from('and more'))
  await behind.flush()
  t.equal((await readFile(path)).subarray(-8).toString(), 'and more')
})

t.test('it goes on behind what is there', async (t) => {
  const { path, handle } = await fresh(t)
  await writeFile(path, 'kept, cut')
  const behind = new WriteBehind(handle, { position: 4 })
  await behind.put(Buffer.from('+new'))
  await behind.flush()
  t.equal(await readFile(path, 'utf8'), 'kept+newt')
})

t.test('a little that nobody flushes is in the file a moment later', async (t) => {
  const { path, handle } = await fresh(t)
  const behind = new WriteBehind(handle)
  await behind.put(Buffer.from('a little'))
  for (let i = 0; i < 400 && (await readFile(path, 'utf8')) === ''; i++) await sleep(25)
  t.equal(await readFile(path, 'utf8'), 'a little')
})

t.test('a write that fails is told to whoever puts or flushes next, and again', async (t) => {
  const path = join(t.testdir({ file: 'mine' }), 'file')
  const handle = await open(path, 'r')
  t.teardown(() => handle.close())
  const behind = new WriteBehind(handle, { pieceBytes: 4 })
  await behind.put(Buffer.from('more'))
  await t.rejects(behind.flush(), { code: 'EBADF' })
  await t.rejects(behind.put(Buffer.from('more')), { code: 'EBADF' })
  await t.rejects(behind.flush(), { code: 'EBADF' })
  t.equal(await readFile(path, 'utf8'), 'mine')
})

t.test('after stop() the file may be closed: nothing is written behind it', async (t) => {
  const { path, handle } = await fresh(t)
  const behind = new WriteBehind(handle, { pieceBytes: 8 })
  await behind.put(Buffer.from('12345678given up'.slice(0, 13)))
  await behind.stop()
  await handle.close()
  await sleep(150)
  t.equal(await readFile(path, 'utf8'), '12345678')
})
