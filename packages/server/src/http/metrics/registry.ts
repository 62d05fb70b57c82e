/** The label of a series whose value is not on its list. */
const OTHER = 'other'

type Labels = Readonly<Record<string, string>>
/** Every value a label may have, listed before anything is counted: no name, GUID or path can become one. */
export type Allowed = Readonly<Record<string, Iterable<string>>>

/** What is counted since the start. */
export interface Counter {
  add(labels?: Labels, by?: number): void
}

/** How long something took. */
export interface Histogram {
  observe(seconds: number, labels?: Labels): void
}

/** One value, or one for each combination of labels. */
export type Reading = number | readonly (readonly [labels: Labels, value: number])[]

/** The measurements of one process in the text format of Prometheus (version 0.0.4). */
export interface Registry {
  counter(name: string, help: string, allowed?: Allowed): Counter
  histogram(name: string, help: string, o: { buckets: readonly number[]; allowed?: Allowed }): Histogram
  /** @param read asked at every look; a measurement that fails is left out */
  gauge(
    name: string,
    help: string,
    o: { read: () => Reading | Promise<Reading>; allowed?: Allowed; type?: 'gauge' | 'counter' },
  ): void
  text(): Promise<string>
}

export function createRegistry(): Registry {
  const families: (() => Promise<string>)[] = []
  const family = (name: string, help: string, type: string, lines: () => Promise<string[]>) =>
    families.push(async () => {
      const found = await lines().catch(() => [])
      return found.length === 0
        ? ''
        : [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...found, ''].join('\n')
    })
  return {
    counter(name, help, allowed = {}) {
      const counts = new Map<string, number>()
      if (Object.keys(allowed).length === 0) counts.set('', 0)
      family(name, help, 'counter', async () =>
        [...counts].map(([labels, n]) => `${name}${braces(labels)} ${n}`),
      )
      return {
        add(labels = {}, by = 1) {
          const key = labelText(allowed, labels)
          counts.set(key, (counts.get(key) ?? 0) + by)
        },
      }
    },

    histogram(name, help, { buckets, allowed = {} }) {
      const seen = new Map<string, { counts: number[]; sum: number; count: number }>()
      family(name, help, 'histogram', async () =>
        [...seen].flatMap(([labels, { counts, sum, count }]) => {
          const bucket = (le: string, n: number) =>
            `${name}_bucket${braces(labels === '' ? `le="${le}"` : `${labels},le="${le}"`)} ${n}`
          return [
            ...buckets.map((le, i) => bucket(String(le), counts[i]!)),
            bucket('+Inf', count),
            `${name}_sum${braces(labels)} ${Number(sum.toFixed(6))}`,
            `${name}_count${braces(labels)} ${count}`,
          ]
        }),
      )
      return {
        observe(seconds, labels = {}) {
          const key = labelText(allowed, labels)
          const of = seen.get(key) ?? { counts: buckets.map(() => 0), sum: 0, count: 0 }
          seen.set(key, of)
          for (const [i, le] of buckets.entries()) if (seconds <= le) of.counts[i]!++
          of.sum += seconds
          of.count++
        },
      }
    },

    gauge(name, help, { read, allowed = {}, type = 'gauge' }) {
      family(name, help, type, async () => {
        const reading = await read()
        const rows = typeof reading === 'number' ? [[{}, reading] as const] : reading
        return rows.map(([labels, value]) => `${name}${braces(labelText(allowed, labels))} ${value}`)
      })
    },

    text: async () => (await Promise.all(families.map((lines) => lines()))).join(''),
  }
}

function labelText(allowed: Allowed, labels: Labels): string {
  return Object.entries(allowed)
    .map(([label, values]) => {
      const value = labels[label]
      const known = value !== undefined && [...values].includes(value)
      return `${label}="${known ? value.replace(/[\\"\n]/g, '_') : OTHER}"`
    })
    .join(',')
}

function braces(labels: string): string {
  return labels === '' ? '' : `{${labels}}`
}
