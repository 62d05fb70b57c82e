import { MdmError } from '@mdm/core/errors'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { frameBytes } from './frame-shape.ts'
import type { MisfitReason } from './codecs/misfit.ts'
import type { DecodeAnswer, DecodeJob } from './job.ts'

/** Threads that decode. */
export interface Decoders {
  /** frames decoded at once, at most */
  readonly size: number
  /**
   * The pixels of a compressed frame, in memory of their own.
   * @throws MDM_PIXELS when they are malformed, not what the header says, or take too long
   */
  decode(job: DecodeJob, signal?: AbortSignal): Promise<Buffer>
  /** Ends the threads; what is being decoded is given up. */
  close(): Promise<void>
}

/** A MiB takes a tenth of a second, and some on a busy machine; a decoder that takes longer hangs. */
const TIMEOUT_MS = 20_000
const TIMEOUT_MS_PER_MIB = 1_000
/** A thread that has nothing to do ends: its memory is as large as its largest frame made it. */
const IDLE_MS = 10_000
const MAX_WORKERS = 4
/** Of the scripting engine, MiB; pixels and the libraries' own memory are bounded by the size of a frame. */
const LIMITS = { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 16, stackSizeMb: 4 }
/** The ending of this file is that of the worker's: .ts from source, .js when built. */
const SCRIPT = new URL(`./worker${import.meta.url.slice(-3)}`, import.meta.url)

const WHY: Readonly<Record<MisfitReason | 'slow' | 'ended', string>> = {
  malformed: 'it is malformed or cut short',
  shape: 'its size or number of samples is not that of the header',
  bits: 'its numbers do not fit the bits of the header',
  colour: 'its colours are not of the kind that the header says',
  kind: 'it is compressed in another way than the transfer syntax says',
  slow: 'that takes too long',
  ended: 'the decoder gave up',
}

interface Task extends PromiseWithResolvers<Buffer> {
  readonly job: DecodeJob
}

interface Thread {
  readonly worker: Worker
  task: Task | undefined
  timer: NodeJS.Timeout
}

/**
 * Threads that decode, begun when there is something to do. One that fails or hangs is ended and the next frame gets another:
 * what a malformed frame did to a decoder is nobody's concern then.
 *
 * @param o `workers`: how many, as many as processors but 4 at most unless told; `timeoutMs`: for one frame; `idleMs`: after
 *          which a thread ends; `script`: another worker, for tests
 */
export function createDecoders(
  o: { workers?: number; timeoutMs?: number; idleMs?: number; script?: URL } = {},
): Decoders {
  const size = o.workers ?? Math.min(MAX_WORKERS, availableParallelism())
  const threads = new Set<Thread>()
  const queue: Task[] = []

  /** Takes a thread out of service; what it was decoding fails. */
  async function end(thread: Thread, why: 'slow' | 'ended'): Promise<void> {
    threads.delete(thread)
    clearTimeout(thread.timer)
    thread.task?.reject(fault(why))
    thread.task = undefined
    await thread.worker.terminate()
  }

  function start(): Thread {
    // Neither flags nor environment of this process, and no way to print: a decoder needs none of them.
    const worker = new Worker(o.script ?? SCRIPT, {
      ...{ argv: [], env: {}, execArgv: [], stdout: true, stderr: true, resourceLimits: LIMITS },
    })
    worker.stdout.resume()
    worker.stderr.resume()
    const thread: Thread = { worker, task: undefined, timer: setTimeout(() => {}, 0) }
    worker.on('message', (answer: DecodeAnswer) => {
      const { task } = thread
      clearTimeout(thread.timer)
      thread.task = undefined
      if (answer.reason !== undefined) {
        task?.reject(fault(answer.reason))
        void end(thread, 'ended').then(next)
      } else {
        const { buffer, byteOffset, byteLength } = answer.pixels
        task?.resolve(Buffer.from(buffer, byteOffset, byteLength))
        rest(thread)
        next()
      }
    })
    const gone = (): void => void end(thread, 'ended').then(next)
    worker.on('error', gone).on('exit', () => threads.has(thread) && gone())
    threads.add(thread)
    return thread
  }

  function rest(thread: Thread): void {
    thread.worker.unref()
    thread.timer = setTimeout(() => void end(thread, 'ended'), o.idleMs ?? IDLE_MS)
    thread.timer.unref()
  }

  function next(): void {
    const idle = [...threads].find(({ task }) => task === undefined)
    if (queue.length === 0 || (idle === undefined && threads.size >= size)) return
    const thread = idle ?? start()
    const task = queue.shift()!
    clearTimeout(thread.timer)
    thread.task = task
    thread.timer = setTimeout(() => void end(thread, 'slow').then(next), o.timeoutMs ?? timeoutMs(task.job))
    thread.worker.ref()
    thread.worker.postMessage(task.job, [task.job.stream.buffer])
  }

  return {
    size,
    async decode(job, signal) {
      signal?.throwIfAborted()
      const task: Task = { job, ...Promise.withResolvers<Buffer>() }
      // What is being decoded already is finished, and thrown away.
      const aborted = (): void => {
        const at = queue.indexOf(task)
        if (at !== -1) queue.splice(at, 1)
        task.reject(signal?.reason)
      }
      signal?.addEventListener('abort', aborted, { once: true })
      queue.push(task)
      next()
      try {
        return await task.promise
      } finally {
        signal?.removeEventListener('abort', aborted)
      }
    },
    async close() {
      for (const task of queue.splice(0)) task.reject(fault('ended'))
      await Promise.all([...threads].map((thread) => end(thread, 'ended')))
    },
  }
}

function timeoutMs({ shape }: DecodeJob): number {
  return TIMEOUT_MS + TIMEOUT_MS_PER_MIB * (frameBytes(shape) / 2 ** 20)
}

function fault(why: keyof typeof WHY): MdmError {
  return new MdmError('MDM_PIXELS', `a compressed frame cannot be decoded: ${WHY[why]}`)
}
