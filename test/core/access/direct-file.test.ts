import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { blockBuffer, DirectFile } from '@mdm/core/access/direct-file'
import { WriteBehind } from '@mdm/core/access/write-behind'
import { generator } from '../../fixtures/random.ts'

t.test('what is put in pieces of any length is in the file, whole blocks and the rest', async (t) => {
  const random = generator(7)
  for (const pieceBytes of [4096, 65_536]) {
    const path = join(t.testdir(), 'file')
    const file = await DirectFile.create(path)
    const behind = new WriteBehind(file, { pieceBytes, whenFull: true })
    const pieces = Array.from({ length: 60 }, (_, i) => Buffer.alloc(random(9_000), i + 1))
    for (const piece of pieces) await behind.put(piece)
    t.equal((await stat(path)).size % pieceBytes, 0, 'nothing but full pieces until it is flushed')
    await behind.flush()
    await file.sync()
    await file.close()
    t.ok((await readFile(path)).equals(Buffer.concat(pieces)))
    t.equal((await stat(path)).mode & 0o777, 0o600)
  }
})

t.test('a block that the system does not take as it is goes the other way', async (t) => {
  const path = join(t.testdir(), 'file')
  const file = await DirectFile.create(path)
  // memory of the allocator has its own bookkeeping in front, so that it is at the beginning of no page
  const blocks = [blockBuffer(8192), Buffer.allocUnsafeSlow(8192), blockBuffer(8192)]
  for (const [i, block] of blocks.entries()) {
    block.fill(i + 1)
    t.equal((await file.write(block, 0, block.length, i * 8192)).bytesWritten, 8192)
  }
  await file.close()
  t.ok((await readFile(path)).equals(Buffer.concat(blocks)))
})

t.test('it takes no place that is taken', async (t) => {
  const path = join(t.testdir({ file: 'mine' }), 'file')
  await t.rejects(DirectFile.create(path), { code: 'EEXIST' })
  t.equal(await readFile(path, 'utf8'), 'mine')
})
