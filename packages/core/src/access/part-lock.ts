import { open, readFile, stat, unlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { MdmError } from '../errors.ts'

/** A lock without a readable holder is one that is just being written, unless it is older than this. */
const WRITING_MS = 10_000

const Holder = z.object({ host: z.string(), pid: z.int().positive(), started: z.string().optional() })

/**
 * Takes `PART.lock` for this process, so that two gets to one name cannot write one `.part`. A lock whose process has
 * ended is taken over; process ids come again, so the time at which the process began is compared too.
 *
 * @returns gives the lock back
 * @throws MDM_CONFLICT while its holder lives, or may live on another machine
 */
export async function lockPart(part: string): Promise<() => Promise<void>> {
  const lock = `${part}.lock`
  const started = await startOf(process.pid)
  const mine = JSON.stringify({
    host: hostname(),
    pid: process.pid,
    started,
    nonce: randomBytes(6).toString('hex'),
  })
  for (let attempt = 0; attempt < 5; attempt++) {
    if (await create(lock, mine)) {
      return async () => {
        if ((await textOf(lock)) === mine) await unlink(lock).catch(() => {})
      }
    }
    const seen = await textOf(lock)
    if (seen !== undefined && !(await isStale(lock, seen))) break
    if (seen !== undefined && !(await removeStale(lock, seen))) break
  }
  throw new MdmError(
    'MDM_CONFLICT',
    'another get is writing this file: wait for it, or choose another name with -o (if it ran on another machine and is gone, remove the file that ends in .part.lock)',
  )
}

/** Who holds a `.part.lock`, for who looks at it rather than takes it; undefined where nobody can say. */
export async function lockHolder(
  lock: string,
): Promise<{ host: string; pid: number; state: 'running' | 'ended' | 'elsewhere' } | undefined> {
  const text = await textOf(lock)
  const holder = Holder.safeParse(parseJson(text ?? ''))
  if (text === undefined || !holder.success) return undefined
  const { host, pid } = holder.data
  if (host !== hostname()) return { host, pid, state: 'elsewhere' }
  return { host, pid, state: (await isStale(lock, text)) ? 'ended' : 'running' }
}

async function create(lock: string, text: string): Promise<boolean> {
  try {
    const file = await open(lock, 'wx', 0o600)
    try {
      await file.writeFile(text)
    } finally {
      await file.close()
    }
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

async function isStale(lock: string, text: string): Promise<boolean> {
  const holder = Holder.safeParse(parseJson(text))
  if (!holder.success) return await isOld(lock)
  const { host, pid, started } = holder.data
  if (host !== hostname()) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
  return started !== undefined && (await startOf(pid)) !== started
}

/**
 * Removes a stale lock, unless somebody else is just doing that. Only whoever holds the guard takes a lock away, so it
 * cannot be the next holder's that goes.
 */
async function removeStale(lock: string, seen: string): Promise<boolean> {
  const guard = `${lock}.stale`
  if (!(await create(guard, ''))) {
    const abandoned = await isOld(guard)
    if (abandoned) await unlink(guard).catch(() => {})
    return abandoned
  }
  try {
    if ((await textOf(lock)) === seen) await unlink(lock)
    return true
  } finally {
    await unlink(guard).catch(() => {})
  }
}

async function isOld(file: string): Promise<boolean> {
  return await stat(file).then(
    (s) => Date.now() - s.mtimeMs > WRITING_MS,
    () => false,
  )
}

/** When a process began, in ticks since the start of the machine (Linux); undefined elsewhere, "ended" for a dead one. */
async function startOf(pid: number): Promise<string | undefined> {
  if (process.platform !== 'linux') return undefined
  const text = await textOf(`/proc/${pid}/stat`)
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ')
  return fields === undefined || 'ZX'.includes(fields[0]!) ? 'ended' : fields[19]
}

async function textOf(file: string): Promise<string | undefined> {
  return await readFile(file, 'utf8').catch(() => undefined)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
