/**
 * A thread that decodes frames, one at a time. It imports nothing but decoders, and nothing that it or they say of a fault
 * leaves but a word of a closed list.
 */
import { parentPort } from 'node:worker_threads'
import { openCodec, type Decode } from './codecs/index.ts'
import { Misfit } from './codecs/misfit.ts'
import { frameBytes } from './frame-shape.ts'
import type { DecodeAnswer, DecodeJob } from './job.ts'
import { unpackBits } from './unpack-bits.ts'

const codecs = new Map<DecodeJob['coding'], Promise<Decode>>()

parentPort?.on('message', (job: DecodeJob) => {
  decode(job).then(
    (pixels) => answer({ pixels }, [pixels.buffer]),
    (error: unknown) => answer({ reason: error instanceof Misfit ? error.reason : 'malformed' }, []),
  )
})

function answer(message: DecodeAnswer, transfer: ArrayBuffer[]): void {
  parentPort?.postMessage(message, transfer)
}

async function decode({ coding, stream, shape }: DecodeJob): Promise<Uint8Array<ArrayBuffer>> {
  let codec = codecs.get(coding)
  if (codec === undefined) codecs.set(coding, (codec = openCodec(coding)))
  const pixels = (await codec)(stream, shape)
  return shape.bitsAllocated === 1 ? unpackBits(pixels, frameBytes(shape), 0) : pixels
}
