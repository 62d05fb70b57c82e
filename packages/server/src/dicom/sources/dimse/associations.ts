import type { Association, DimsePeer } from '../../dimse/index.ts'
import { associate } from '../../dimse/index.ts'
import type { Purpose } from '../../source.ts'
import type { Budget, Slot } from '../budget.ts'
import { proposals } from './contexts.ts'

/** An association for one piece of work. */
export interface Lease {
  readonly association: Association
  /** Was storage of all these SOP classes proposed on it? Where the peer refused one, to propose it again is no use. */
  covers(classes: readonly string[]): boolean
  /** Gives it back. It stays open for a while if it is in order; what was left in the middle is not. */
  done(): Promise<void>
}

/** The associations with one peer, within its budget. */
export interface Associations {
  /**
   * One on which objects of these classes can come. Its work ends when the signal aborts.
   * @throws what associate() throws, the signal's reason
   */
  lease(purpose: Purpose, classes: readonly string[], signal?: AbortSignal): Promise<Lease>
  /** The same if it is to be had without waiting for others; undefined when not. */
  tryLease(purpose: Purpose, classes: readonly string[], signal?: AbortSignal): Promise<Lease> | undefined
  /** Remembers what kinds of objects the peer has. */
  saw(sopClass: string): void
  /** Aborts what is in use and releases the others. */
  close(): Promise<void>
}

interface Opened {
  readonly association: Association
  readonly proposed: ReadonlySet<string>
  timer?: NodeJS.Timeout
}

/** Classes of objects kept in mind. */
const MOST_SEEN = 8

/** @param o `idleMs`: how long an association stays open for the next request */
export function openAssociations(peer: DimsePeer, budget: Budget, o: { idleMs: number }): Associations {
  const idle: Opened[] = []
  const busy = new Set<Association>()
  let seen: string[] = []
  let closed = false

  async function end({ association, timer }: Opened): Promise<void> {
    clearTimeout(timer)
    // How it ends changes nothing for us: its work is done.
    await association.release().catch(() => association.abort())
  }

  /** An open one that covers the classes, the one that was used last. */
  function warm(classes: readonly string[]): Opened | undefined {
    const fits = idle.findLastIndex(
      ({ association, proposed }) => association.isOpen && classes.every((uid) => proposed.has(uid)),
    )
    const [opened] = fits === -1 ? [] : idle.splice(fits, 1)
    clearTimeout(opened?.timer)
    return opened
  }

  async function open(slot: Slot, classes: readonly string[], signal?: AbortSignal): Promise<Lease> {
    try {
      const opened = warm(classes) ?? (await fresh(classes, signal))
      signal?.throwIfAborted()
      return leased(opened, slot, signal)
    } catch (error) {
      slot.free()
      signal?.throwIfAborted()
      throw error
    }
  }

  async function fresh(classes: readonly string[], signal?: AbortSignal): Promise<Opened> {
    // Those that wait for work count too: the peer sees what is open.
    while (idle.length > 0 && budget.used + idle.length > budget.size) await end(idle.shift()!)
    const proposed = proposals(classes, { seen })
    signal?.throwIfAborted()
    // The signal of the first work is not that of the next ones.
    const opening = new AbortController()
    const abort = () => opening.abort(signal!.reason)
    signal?.addEventListener('abort', abort, { once: true })
    const association = await associate(peer, proposed, opening.signal).finally(() =>
      signal?.removeEventListener('abort', abort),
    )
    return { association, proposed: new Set(proposed.map(({ abstractSyntax }) => abstractSyntax)) }
  }

  function leased(opened: Opened, slot: Slot, signal?: AbortSignal): Lease {
    const { association, proposed } = opened
    const abort = () => association.abort()
    signal?.addEventListener('abort', abort, { once: true })
    busy.add(association)
    return {
      association,
      covers: (classes) => classes.every((uid) => proposed.has(uid)),
      async done() {
        signal?.removeEventListener('abort', abort)
        if (!busy.delete(association)) return
        if (association.isOpen && !closed && o.idleMs > 0) {
          opened.timer = setTimeout(() => {
            idle.splice(idle.indexOf(opened), 1)
            void end(opened)
          }, o.idleMs)
          opened.timer.unref()
          idle.push(opened)
        } else if (association.isOpen) await end(opened)
        slot.free()
      },
    }
  }

  return {
    async lease(purpose, classes, signal) {
      return await open(await budget.take(purpose, signal), classes, signal)
    },
    tryLease(purpose, classes, signal) {
      const slot = budget.tryTake(purpose)
      return slot && open(slot, classes, signal)
    },
    saw(sopClass) {
      if (seen[0] !== sopClass && sopClass !== '')
        seen = [sopClass, ...seen.filter((uid) => uid !== sopClass)].slice(0, MOST_SEEN)
    },
    async close() {
      closed = true
      for (const association of busy) association.abort()
      await Promise.all(idle.splice(0).map(end))
    },
  }
}
