/**
 * Gets against lying key servers: `node --conditions=@mdm/source test/soak/liars.ts N [SEED]`. In each get 1 to n-m servers lie,
 * in a tenth of them more; the table says what came of it.
 */
import { generator, type Random } from '../fixtures/random.ts'
import { WAY_NAMES, type Way } from '../fixtures/lies.ts'
import { startLane, type Lane, type Outcome } from '../fixtures/lying-lane.ts'

const PATHS = ['reader', 'site'] as const
const SPLITS = [
  [2, 3],
  [3, 5],
  [2, 5],
] as const
const LANES = 12

type Path = (typeof PATHS)[number]

/** What one row of the table counts; all but `gets` and `beyond` must be 0. */
export interface Row {
  /** with this lie told by one of at most n-m liars */
  gets: number
  wrongKeys: number
  /** no key, though m servers were honest */
  failed: number
  unnamed: number
  /** an honest server was named */
  accused: number
  /** gets against more than n-m liars, which must have no key */
  beyond: number
  /** of them: another end than the documented code */
  odd: number
}

export type Table = Record<`${Way} | ${Path}`, Row>

/** Makes `count` gets; the same seed makes the same choices. */
export async function lie(
  count: number,
  seed: number,
  progress: (done: number) => void = () => undefined,
): Promise<Table> {
  const closers: (() => unknown)[] = []
  const teardown = (close: () => unknown) => void closers.unshift(close)
  const table = Object.fromEntries(
    WAY_NAMES.flatMap((way) => PATHS.map((path) => [`${way} | ${path}`, emptyRow()])),
  ) as Table
  let begun = 0
  let done = 0
  try {
    await Promise.all(
      Array.from({ length: LANES }, async (_, i) => {
        const [m, n] = SPLITS[i % SPLITS.length]!
        const lane = await startLane({ teardown }, m, n)
        while (begun < count) {
          await one(lane, generator(seed * 1_000_003 + begun++), table)
          if (++done % 500 === 0) progress(done)
        }
      }),
    )
  } finally {
    for (const close of closers) await close()
  }
  return table
}

async function one(lane: Lane, random: Random, table: Table): Promise<void> {
  const { m, n } = lane
  const beyond = random(10) === 0
  const liars = beyond ? n - m + 1 + random(m) : 1 + random(n - m)
  // Together, an old split may be as good as the new one: it gives the right key.
  const told = beyond ? WAY_NAMES.filter((way) => way !== 'old epoch') : WAY_NAMES
  const places = Array.from({ length: n }, (_, i) => i)
  const ways = new Map<number, Way>()
  for (let i = 0; i < liars; i++)
    ways.set(places.splice(random(places.length), 1)[0]!, told[random(told.length)]!)
  const path = PATHS[random(2)]!
  const outcome = await lane.get(path, ways, random)
  for (const way of new Set(ways.values())) {
    const row = table[`${way} | ${path}`]
    if (outcome.code === 'wrong') row.wrongKeys++
    if (beyond) {
      row.beyond++
      if (!isDocumented(path, outcome.code, ways, n - m)) row.odd++
      continue
    }
    row.gets++
    if (outcome.code !== undefined) row.failed++
    if ([...ways].some(([place, w]) => w === way && !outcome.named.has(place))) row.unnamed++
    if ([...outcome.named].some((place) => !ways.has(place))) row.accused++
  }
}

/** Exit 6; to a reader 4 where so many say "no such key for you" that m shares cannot come. */
function isDocumented(
  path: Path,
  code: Outcome['code'],
  ways: ReadonlyMap<number, Way>,
  most: number,
): boolean {
  if (code === 'MDM_BELOW_THRESHOLD') return true
  const deniers = [...ways.values()].filter((way) => way === 'other kid').length
  return code === 'MDM_DENIED' && path === 'reader' && deniers > most
}

const emptyRow = (): Row => ({
  ...{ gets: 0, wrongKeys: 0, failed: 0, unnamed: 0, accused: 0, beyond: 0, odd: 0 },
})

/** Sums of all rows. */
export function totals(table: Table): Row {
  const sum = emptyRow()
  for (const row of Object.values(table))
    for (const key of Object.keys(sum) as (keyof Row)[]) sum[key] += row[key]
  return sum
}

if (import.meta.main) {
  const [count = 10_000, seed = 1] = process.argv.slice(2).map(Number)
  const started = performance.now()
  const table = await lie(count, seed, (done) => console.error(`${done} gets`))
  const names = Object.keys(emptyRow())
  console.log(`${'way | path'.padEnd(26)}${names.map((name) => name.padStart(10)).join('')}`)
  const print = (name: string, row: Row) =>
    console.log(
      `${name.padEnd(26)}${Object.values(row)
        .map((v) => String(v).padStart(10))
        .join('')}`,
    )
  for (const [name, row] of Object.entries(table)) print(name, row)
  print('together', totals(table))
  console.log(`${count} gets, seed ${seed}, ${Math.round((performance.now() - started) / 1000)} s`)
  const { gets: _, beyond: __, ...bad } = totals(table)
  process.exitCode = Object.values(bad).some((value) => value > 0) ? 1 : 0
}
