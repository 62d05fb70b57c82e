import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { DecodeJob } from '@mdm/server/dicom/pixels/job'
import t, { type Test } from 'tap'
import { compress } from '../../../fixtures/compress.ts'
import { decodersFor, testImage } from './frames-of.ts'

const image = testImage()
const stream = await compress(image, 'jpeg-ls')
const { rows, columns } = image
const shape = { rows, columns, samples: 1, bitsAllocated: 16, bitsStored: 12, signed: false, photometric: '' }
const job = (): DecodeJob => ({ coding: 'jpeg-ls', stream: Uint8Array.from(stream), shape })

/** A worker of its own making: what a decoder could do to us. */
async function worker(t: Test, onMessage: string): Promise<URL> {
  const file = join(t.testdir(), 'worker.mjs')
  const source = `import { parentPort } from 'node:worker_threads'\nparentPort.on('message', (job) => { ${onMessage} })\n`
  await writeFile(file, source)
  return pathToFileURL(file)
}

t.test('many frames at once come out right, and more than there are threads wait', async (t) => {
  const decoders = decodersFor(t, { workers: 2 })
  const frames = await Promise.all(Array.from({ length: 20 }, () => decoders.decode(job())))
  t.ok(frames.every((frame) => frame.equals(image.samples)))
})

t.test('a decoder that hangs is ended, and the frames after it get another', async (t) => {
  const hangs = 'if (job.shape.rows === 1) for (;;); parentPort.postMessage({ pixels: new Uint8Array(3) })'
  const decoders = decodersFor(t, { workers: 1, timeoutMs: 3_000, script: await worker(t, hangs) })
  const hanging = decoders.decode({ ...job(), shape: { ...shape, rows: 1 } })
  const next = decoders.decode(job())
  await t.rejects(hanging, { code: 'MDM_PIXELS' })
  t.equal((await next).length, 3)
})

t.test('a decoder that dies, throws or takes all memory fails its own frame alone', async (t) => {
  const deaths = {
    exits: 'process.exit(3)',
    throws: 'throw new Error("Doe^Jane")',
    rejects: 'Promise.reject(new Error("Doe^Jane"))',
    'takes all memory': 'const all = []; for (;;) all.push(new Array(10_000).fill(job))',
  }
  for (const [name, death] of Object.entries(deaths)) {
    const dies = `if (job.shape.rows === 1) { ${death} } else parentPort.postMessage({ pixels: new Uint8Array(3) })`
    const decoders = decodersFor(t, { workers: 1, script: await worker(t, dies) })
    const dying = decoders.decode({ ...job(), shape: { ...shape, rows: 1 } })
    const next = decoders.decode(job())
    const error = await dying.catch((error: unknown) => error)
    t.match(error, { code: 'MDM_PIXELS', cause: undefined }, name)
    t.notMatch(String(error), 'Doe', 'and says nothing of what it read')
    t.equal((await next).length, 3, name)
  }
})

t.test('who no longer wants a frame does not wait for it', async (t) => {
  const waits = 'setTimeout(() => parentPort.postMessage({ pixels: new Uint8Array(3) }), 500)'
  const decoders = decodersFor(t, { workers: 1, script: await worker(t, waits) })
  const abort = new AbortController()
  const [first, second] = [decoders.decode(job(), abort.signal), decoders.decode(job(), abort.signal)]
  const third = decoders.decode(job())
  abort.abort()
  await t.rejects(first, { name: 'AbortError' })
  await t.rejects(second, { name: 'AbortError' })
  await t.rejects(decoders.decode(job(), abort.signal), { name: 'AbortError' })
  t.equal((await third).length, 3, 'the next one comes')
})

t.test('closing gives up what is decoded and what waits', async (t) => {
  const decoders = decodersFor(t, { workers: 1, script: await worker(t, 'for (;;);') })
  const frames = [decoders.decode(job()), decoders.decode(job())]
  const ends = Promise.all(frames.map((frame) => t.rejects(frame, { code: 'MDM_PIXELS' })))
  await decoders.close()
  await ends
})

t.test('a thread with nothing to do ends, and another begins when there is something', async (t) => {
  const names =
    'parentPort.postMessage({ pixels: new Uint8Array([globalThis.seen = (globalThis.seen ?? 0) + 1]) })'
  const decoders = decodersFor(t, { workers: 1, idleMs: 1, script: await worker(t, names) })
  t.equal((await decoders.decode(job()))[0], 1)
  await new Promise((resolve) => setTimeout(resolve, 100))
  t.equal((await decoders.decode(job()))[0], 1, 'a new one')
})
