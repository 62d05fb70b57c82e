/**
 * Alters DICOM objects at random, reads them as a source does, plans series of them, and counts what must not be:
 * `node --conditions=@mdm/source test/fuzz/dataset.ts N [SEED]`. The work is done by child processes, so that a death is counted.
 */
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import type { InstanceHeader } from '@mdm/server/dicom/source'
import { generator } from '../fixtures/random.ts'
import { mutate } from './dataset/mutations.ts'
import { emptyTally, note, planAltered, readAltered, type Tally } from './dataset/read.ts'
import type { Seed } from './dataset/seeds.ts'
import { ownSeeds, realSeeds } from './dataset/seeds.ts'

/** Objects that one process reads; what leaks shows within. */
const OF_ONE_PROCESS = 50_000
const OBJECTS_OF_A_SERIES = 24
/** A process that takes longer than this for its objects hangs. */
const PATIENCE_MS = 1_800_000

export interface Run extends Tally {
  /** peak of resident memory, and that before the first object was read, MiB */
  peakMiB: number
  beforeMiB: number
}

/** Alters, reads and plans `count` times in this process; the same seed makes the same choices. */
export function run(count: number, seed: number, seeds: readonly Seed[]): Run {
  const random = generator(seed)
  const tally = emptyTally()
  const secrets = [...new Set(seeds.flatMap(({ secrets }) => secrets))]
  const beforeMiB = process.memoryUsage.rss() / 2 ** 20
  const written = listen(secrets)
  let series: InstanceHeader[] = []
  for (let done = 0; done < count; done++) {
    const header = readAltered(tally, mutate(seeds, random), { random, secrets })
    if (header !== undefined) series.push(header)
    if (series.length === OBJECTS_OF_A_SERIES) {
      planAltered(tally, series, random)
      series = []
    }
  }
  for (let told = written.end(); told > 0; told--) note(tally, 'told', 'output')
  return { ...tally, beforeMiB, peakMiB: process.resourceUsage().maxRSS / 1024 }
}

/** Counts what is written to the terminal and holds a secret. */
function listen(secrets: readonly string[]): { end(): number } {
  let told = 0
  const streams = [process.stdout, process.stderr]
  const writes = streams.map((stream) => stream.write)
  for (const [i, stream] of streams.entries()) {
    stream.write = ((chunk: string | Uint8Array, ...rest: []) => {
      if (secrets.some((secret) => Buffer.from(chunk as string).includes(secret))) told++
      return writes[i]!.call(stream, chunk, ...rest)
    }) as typeof stream.write
  }
  return {
    end() {
      for (const [i, stream] of streams.entries()) stream.write = writes[i]!
      return told
    },
  }
}

/** One process of many. @returns undefined when it died or hung */
async function inChild(count: number, seed: number): Promise<Run | undefined> {
  const args = [...process.execArgv, import.meta.filename, String(count), String(seed), 'child']
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], timeout: PATIENCE_MS })
  const [said, [code]] = await Promise.all([text(child.stdout), once(child, 'close')])
  return code === 0 ? JSON.parse(said) : undefined
}

function add(total: Run, part: Run): void {
  for (const [key, value] of Object.entries(part)) {
    const into = total as unknown as Record<string, unknown>
    if (key.endsWith('MiB')) into[key] = Math.max(into[key] as number, value)
    else if (typeof value === 'number' && key !== 'slowestMs') into[key] = (into[key] as number) + value
  }
  for (const [kind, number] of Object.entries(part.kinds))
    total.kinds[kind] = (total.kinds[kind] ?? 0) + number
  total.notes.push(...part.notes)
  if (part.slowestMs > total.slowestMs)
    Object.assign(total, { slowestMs: part.slowestMs, slowestKind: part.slowestKind })
}

if (import.meta.main) {
  const [count = '1000000', seed = String(randomInt(2 ** 31)), child] = process.argv.slice(2)
  if (child !== undefined) {
    console.log(JSON.stringify(run(Number(count), Number(seed), [...(await ownSeeds()), ...realSeeds()])))
  } else {
    console.error(`${count} altered objects, seed ${seed}`)
    const total: Run = { ...emptyTally(), peakMiB: 0, beforeMiB: 0 }
    let deaths = 0
    for (let done = 0; done < Number(count); done += OF_ONE_PROCESS) {
      const part = await inChild(Math.min(OF_ONE_PROCESS, Number(count) - done), Number(seed) + done)
      if (part === undefined) deaths++
      else add(total, part)
      console.error(`${Math.min(done + OF_ONE_PROCESS, Number(count))} done`)
    }
    console.log(JSON.stringify({ deaths, ...total }))
    process.exitCode = deaths + total.broken + total.told + total.slow === 0 ? 0 : 1
  }
}
