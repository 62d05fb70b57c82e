/**
 * Kills site and key servers at every point of registration, get and the key servers' requests, then at random moments, and
 * counts what does not hold afterwards. See USAGE.
 */
import { randomInt } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { createDeliveryWorld, killDelivery, writesOfGet } from '../fixtures/crash/delivery-kills.ts'
import { createKeyWorld, DEEDS, killKeyServer, writesOf } from '../fixtures/crash/key-server-kills.ts'
import { failGet, failKeyServer, failRegistration, faultsOf, type Fault } from '../fixtures/crash/faults.ts'
import { createMortalWorld, killAtMoment } from '../fixtures/crash/random-kills.ts'
import {
  killAtStep,
  killAtTombstone,
  killAtWrite,
  STEPS,
  TOMBSTONE_STEPS,
  writesOfRegistration,
} from '../fixtures/crash/register-kills.ts'
import { createWorld } from '../fixtures/crash/world.ts'
import { generator, type Random } from '../fixtures/random.ts'
import { renewing } from './renewing.ts'

const USAGE = `npm run soak:kill -- [--each N] [--random N] [--seed S] [--minutes M] [--only GROUP,...] [--tally FILE]
  --each     kills at each point (100)
  --random   kills at random moments (1000)
  --seed     of the random moments
  --minutes  begins no kill after so many minutes; Ctrl-C ends it likewise, once the kill under way is judged
  --only     steps, writes, get, keys, random, faults (each once, every error at every write call)
  --tally    counts are kept in this file, and a run that finds it goes on from them`

/** How often each point was visited, and what did not hold. */
export type Tally = Record<string, { kills: number; violations: string[] }>

interface Point {
  readonly group: string
  readonly name: string
  readonly times: number
  kill(): Promise<string[]>
}

export interface SoakOptions {
  readonly each: number
  readonly random: number
  readonly seed: number
  /** groups of points; all kills when empty */
  readonly only: readonly string[]
  /** begins no kill once it says so */
  readonly isOver: () => boolean
  /** what an earlier run counted */
  readonly tally?: Tally
  readonly told?: (tally: Tally) => void
}

/** Visits every point in turn, so that a run that ends early has visited all of them as often. */
export async function soak(o: SoakOptions): Promise<Tally> {
  const tally: Tally = o.tally ?? {}
  const { points, close } = await pointsOf(o, generator(o.seed))
  try {
    while (!o.isOver()) {
      const due = points.filter(({ name, times }) => (tally[name]?.kills ?? 0) < times)
      if (due.length === 0) break
      for (const { name, times, kill } of due) {
        const row = (tally[name] ??= { kills: 0, violations: [] })
        const inRound = Math.max(1, Math.round(times / o.each))
        for (let i = 0; i < inRound && row.kills < times && !o.isOver(); i++) {
          row.violations.push(...(await kill()))
          row.kills++
          o.told?.(tally)
        }
      }
    }
    return tally
  } finally {
    await close()
  }
}

async function pointsOf(
  o: SoakOptions,
  random: Random,
): Promise<{ points: Point[]; close(): Promise<void> }> {
  const [registering, delivering, keeping, mortal] = [
    renewing(createWorld),
    renewing(createDeliveryWorld),
    renewing(createKeyWorld),
    renewing(createMortalWorld),
  ]
  const wanted = (group: string) => (o.only.length === 0 ? group !== 'faults' : o.only.includes(group))
  const points: Point[] = []
  /** Every error of every write call once, without a restart. */
  const addFaults = async () => {
    const of = async (what: string, writes: readonly string[], fail: (fault: Fault) => Promise<string[]>) => {
      for (const fault of faultsOf(writes.length)) {
        const { at, act, errno } = fault
        const name = `${what}, ${errno} ${act} at write ${String(at).padStart(2, '0')} (${writes[at - 1]})`
        add('faults', name, () => fail(fault), 1)
      }
    }
    await of('registration', await registering.borrow(writesOfRegistration), (fault) =>
      registering.use((world) => failRegistration(world, fault)),
    )
    await of('get', await delivering.borrow(writesOfGet), (fault) =>
      delivering.use((world) => failGet(world, fault)),
    )
    for (const [name, deed] of Object.entries(DEEDS)) {
      await of(name, await keeping.borrow((world) => writesOf(world, deed)), (fault) =>
        keeping.use((world) => failKeyServer(world, deed, fault)),
      )
    }
  }
  const add = (group: string, name: string, kill: () => Promise<string[]>, times = o.each) => {
    if (wanted(group)) points.push({ group, name, times, kill })
  }
  /** With half of its bytes written where it has some, else before it. */
  const each = (
    group: string,
    what: string,
    labels: readonly string[],
    kill: (at: number) => Promise<string[]>,
  ) => {
    for (const [i, label] of labels.entries())
      add(group, `${what}, write ${String(i + 1).padStart(2, '0')} (${label})`, () => kill(i + 1))
  }
  const midway = (at: number) => ({ at, when: 'midway' as const })
  for (const step of STEPS)
    add('steps', `registration, after ${step}`, () => registering.use((world) => killAtStep(world, step)))
  for (const step of TOMBSTONE_STEPS)
    add('steps', `tombstone, after ${step}`, () => registering.use((world) => killAtTombstone(world, step)))
  if (wanted('writes')) {
    const writes = await registering.borrow(writesOfRegistration)
    each('writes', 'registration', writes, (at) => registering.use((world) => killAtWrite(world, midway(at))))
  }
  if (wanted('get')) {
    const writes = await delivering.borrow(writesOfGet)
    each('get', 'get', writes, (at) => delivering.use((world) => killDelivery(world, midway(at))))
  }
  for (const [name, deed] of wanted('keys') ? Object.entries(DEEDS) : []) {
    const writes = await keeping.borrow((world) => writesOf(world, deed))
    each('keys', name, writes, (at) => keeping.use((world) => killKeyServer(world, deed, midway(at))))
  }
  if (wanted('faults')) await addFaults()
  add('random', 'at random moments', () => mortal.use((world) => killAtMoment(world, random)), o.random)
  return {
    points,
    close: async () =>
      void (await Promise.all([registering, delivering, keeping, mortal].map((worlds) => worlds.close()))),
  }
}

/** The table, and the line that counts. */
export function reportOf(tally: Tally): { table: string; kills: number; violations: number } {
  const rows = Object.entries(tally)
  const width = Math.max(...rows.map(([name]) => name.length))
  const lines = rows.map(
    ([name, { kills, violations }]) =>
      `${name.padEnd(width)} ${String(kills).padStart(6)} kills ${String(violations.length).padStart(4)} violations`,
  )
  const found = rows.flatMap(([name, { violations }]) => violations.map((text) => `${name}: ${text}`))
  return {
    table: [...lines, ...found].join('\n'),
    kills: rows.reduce((sum, [, row]) => sum + row.kills, 0),
    violations: found.length,
  }
}

if (import.meta.main) {
  const option = { type: 'string' } as const
  const options = {
    ...{ each: option, random: option, seed: option, minutes: option, only: option, tally: option },
    help: { type: 'boolean' } as const,
  }
  const { values } = parseArgs({ options })
  if (values.help === true) console.log(USAGE)
  else {
    const seed = Number(values.seed ?? randomInt(2 ** 32))
    const { tally: file } = values
    const end = values.minutes === undefined ? Infinity : Date.now() + Number(values.minutes) * 60_000
    let isStopped = false
    // The kill under way is ended first, and with it its processes and folders.
    process.once('SIGINT', () => (isStopped = true))
    console.error(`seed ${seed}`)
    const tally = await soak({
      each: Number(values.each ?? 100),
      random: Number(values.random ?? 1_000),
      seed,
      only: values.only?.split(',') ?? [],
      isOver: () => isStopped || Date.now() >= end,
      ...(file !== undefined && existsSync(file)
        ? { tally: JSON.parse(readFileSync(file, 'utf8')) as Tally }
        : {}),
      told: (now) => {
        if (file !== undefined) writeFileSync(file, JSON.stringify(now))
      },
    })
    const { table, kills, violations } = reportOf(tally)
    console.log(`${table}\n${kills} kills, seed ${seed}: ${violations} violations`)
    process.exitCode = violations === 0 ? 0 : 1
  }
}
