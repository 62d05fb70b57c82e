import { execFileSync } from 'node:child_process'
import { createWriteStream, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspectFile, inspectStream } from '@mdm/core/access/inspect'
import { FRAME_BYTES } from '@mdm/core/crypto/container/profile'
import t from 'tap'
import { inPieces, randomKey, sampleContext, seal } from '../crypto/container-samples.ts'

const context = sampleContext(2 * FRAME_BYTES + 5)
const sealed = await seal(context, randomKey(), Buffer.alloc(context.plaintextBytes, 7))

t.test('a container says what it holds, to who has no key', async (t) => {
  const file = join(t.testdir(), 'a.mdm')
  writeFileSync(file, sealed)
  const found = await inspectFile(file)
  t.match(found, {
    ...{ formatVersion: 2, suite: '0x0478', frames: 3, frameBytes: FRAME_BYTES, state: 'whole' },
    ...context,
    expectedBytes: sealed.length,
    actualBytes: sealed.length,
  })
  t.equal(Buffer.from(found.messageId, 'base64url').length, 32)
  for (const size of [1, 100, 70_000])
    t.same(
      await inspectStream(inPieces(sealed, size) as AsyncGenerator<Buffer>),
      found,
      `as a stream of ${size}`,
    )
})

t.test('a cut one and one with more behind its end are told from a whole one', async (t) => {
  const dir = t.testdir()
  const state = async (bytes: Buffer) => {
    writeFileSync(join(dir, 'a.mdm'), bytes)
    const found = await inspectFile(join(dir, 'a.mdm'))
    t.same(await inspectStream(inPieces(bytes, 999) as AsyncGenerator<Buffer>), found)
    return found.state
  }
  t.equal(await state(sealed.subarray(0, -1)), 'cut')
  t.equal(await state(sealed.subarray(0, 500)), 'cut')
  t.equal(await state(Buffer.concat([sealed, Buffer.alloc(1)])), 'too long')
})

t.test('what has no header of ours is MDM_CONTAINER, a folder MDM_FILE', async (t) => {
  const dir = t.testdir()
  const of = async (bytes: Buffer) => {
    writeFileSync(join(dir, 'a.mdm'), bytes)
    return await inspectFile(join(dir, 'a.mdm'))
  }
  for (const bytes of [
    Buffer.alloc(0),
    Buffer.alloc(9000),
    sealed.subarray(0, 200),
    Buffer.from('NRRD0004\n'),
  ]) {
    await t.rejects(of(bytes), { code: 'MDM_CONTAINER' })
    await t.rejects(inspectStream(inPieces(bytes, 7) as AsyncGenerator<Buffer>), { code: 'MDM_CONTAINER' })
  }
  await t.rejects(inspectFile(dir), { code: 'MDM_FILE' })
  await t.rejects(inspectFile(join(dir, 'nothing')), { code: 'ENOENT' })
})

t.test('a pipe with a name is read to its end', async (t) => {
  const pipe = join(t.testdir(), 'pipe')
  execFileSync('mkfifo', [pipe])
  const found = inspectFile(pipe)
  createWriteStream(pipe).end(sealed)
  t.match(await found, { state: 'whole', actualBytes: sealed.length })
})
