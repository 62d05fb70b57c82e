import type { Audit, AuditCaller, AuditEvent } from './audit.ts'

/** Refusals are written once per caller in this time; the rest are counted. */
const WINDOW_MS = 60_000
/** Callers remembered; beyond, the one whose minute began longest ago is forgotten. */
const MAX_CALLERS = 10_000

interface Window {
  readonly since: number
  counted: number
}

/**
 * Writes refusals down without letting a caller fill the log: the first per caller and minute is durable before the answer, the
 * others are counted in that caller's next record.
 */
export interface Refusals {
  /** @throws MDM_AUDIT when a record is due and cannot be written */
  note(event: Omit<AuditEvent, 'outcome' | 'counted'>): Promise<void>
}

/** @param o `now` is the clock in milliseconds */
export function countRefusals(audit: Audit, o: { now?: () => number } = {}): Refusals {
  const now = o.now ?? Date.now
  const windows = new Map<string, Window>()
  return {
    async note(event) {
      const key = windowOf(event.caller)
      const before = windows.get(key)
      if (before !== undefined && now() - before.since < WINDOW_MS) {
        before.counted++
        return
      }
      const counted = before?.counted ?? 0
      const window = { since: now(), counted: 0 }
      // Moved to the end, so that the first of the map is the one whose minute began longest ago.
      windows.delete(key)
      windows.set(key, window)
      const [oldest] = windows.keys()
      if (windows.size > MAX_CALLERS && oldest !== undefined) windows.delete(oldest)
      try {
        await audit.record({ ...event, outcome: 'refused', ...(counted > 0 ? { counted } : {}) })
      } catch (error) {
        // What could not be written is not forgotten: it is due again at once.
        const lost = counted + window.counted + 1
        windows.set(key, { since: -Infinity, counted: lost })
        throw error
      }
    },
  }
}

/** Proxies share the window of their owner, who could make a new one for every refusal. */
function windowOf(caller: AuditCaller | undefined): string {
  if (caller === undefined) return ''
  return caller.proxy === undefined ? caller.spki : `proxies of ${caller.dn} of ${caller.issuer}`
}
