/** Ways of retrieving, the best first: objects by their UIDs, a series at once, or sent to the site's own listener. */
export const METHODS = ['c-get', 'c-get-series', 'c-move'] as const
export type Method = (typeof METHODS)[number]

/** Which way is tried first, learned from what became of the last ones. */
export interface Methods {
  /** The order of the source as a whole. */
  readonly order: readonly Method[]
  /** The order for a series: after a failure it begins with the next one (FLOW 2.5). */
  orderFor(series: string): Method[]
  /** Everything came. */
  worked(series: string): void
  /** Something did not come, or it broke off. */
  failed(series: string, method: Method): void
  /** They brought nothing where another one worked: they come last, until a trial or for ten minutes. */
  putLast(methods: readonly Method[]): void
  /** What a trial of the source found. */
  set(order: readonly Method[]): void
}

/** How long what was learned holds: a PACS gets updates too. */
const KEPT_MS = 600_000
const MOST_SERIES = 1_000

/** @param all the ways there are, the best first; `fixed`: the configuration said so, and nothing is learned */
export function createMethods(all: readonly Method[], o: { fixed: boolean; now?: () => number }): Methods {
  const now = o.now ?? (() => performance.now())
  const next = new Map<string, Method>()
  let order = all
  let until = Infinity

  const current = (): readonly Method[] => {
    if (now() >= until) {
      order = all
      until = Infinity
    }
    return order
  }

  return {
    get order() {
      return current()
    },
    orderFor(series) {
      const methods = current()
      const first = methods.indexOf(next.get(series) ?? methods[0]!)
      return [...methods.slice(first), ...methods.slice(0, first)]
    },
    worked: (series) => void next.delete(series),
    failed(series, method) {
      const methods = current()
      next.delete(series)
      next.set(series, methods[(methods.indexOf(method) + 1) % methods.length]!)
      if (next.size > MOST_SERIES) next.delete(next.keys().next().value!)
    },
    putLast(methods) {
      if (o.fixed || methods.length === 0) return
      order = [...current().filter((method) => !methods.includes(method)), ...methods]
      until = now() + KEPT_MS
    },
    set(found) {
      if (o.fixed) return
      order = found
      until = Infinity
    },
  }
}
