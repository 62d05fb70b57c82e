import { setTimeout as sleep } from 'node:timers/promises'
import { MdmError } from '@mdm/core/errors'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import type { Guid, SiteId } from '@mdm/core/names'
import type { Log } from '../http/log.ts'
import { askWitnesses } from './ask-witnesses.ts'
import type { KeyServer } from './key-server.ts'
import { noteWaivers } from './serve-without.ts'
import { isRestored, waivers } from './take-statements.ts'
import { witnessesOf, type Witness } from './witnesses.ts'

/** Between two rounds, ms: while nothing is served, and while some witness has not answered since the start. */
const AGAIN_MS = 250
const PATIENT_MS = 2_000
const LATER_MS = 15_000
/** How long a start waits for its first round, ms. */
const FIRST_MS = 2_000

/** Whether this server may release by its lists: after a start only when they are as new as its witnesses' (decision 23). */
export interface CatchUp {
  /** @throws MDM_CATCHING_UP while the lists of a site are not known to be as new as its witnesses' */
  requireServing(site: SiteId): void
  isServing(site: string): boolean
  /** True for a list of which servers tell different stories: nothing is released by it. */
  isInDoubt(guid: Guid): boolean
  /** For /health. */
  isServingAll(): boolean
  /** Begins, and resolves after the first round. */
  start(): Promise<void>
  close(): Promise<void>
}

/** What is known since the start of one site's lists. */
export interface SiteState {
  serving: boolean
  /** has been told in the audit log what it waits for */
  told: boolean
  readonly answered: Set<string>
  /** GUIDs, or `site`, whose lists are in doubt, and by whom */
  readonly doubts: Map<string, Set<string>>
  /** witnesses that show a roster which takes something away and needs the operator */
  readonly heldRoster: Set<string>
}

/** The reason that /health gives. */
export const CATCHING_UP = 'catching-up'

export function createCatchUp(
  server: KeyServer,
  o: { credential: { certificate: string; key: string }; log: Log },
): CatchUp {
  const stop = new AbortController()
  const { signal } = stop
  const states = new Map<string, SiteState>()
  const known = new Map<string, { digest: string; witnesses: Witness[] }>()
  let loop: Promise<void> = Promise.resolve()

  const stateOf = (site: string): SiteState => {
    const state = states.get(site) ?? {
      ...{ serving: false, told: false, answered: new Set<string>() },
      ...{ doubts: new Map<string, Set<string>>(), heldRoster: new Set<string>() },
    }
    states.set(site, state)
    return state
  }

  /** A later roster may name other servers, or the same ones with other keys. */
  const witnessesIn = (roster: TrustedRoster): Witness[] => {
    const { site } = roster.body
    const held = known.get(site)
    if (held?.digest === roster.digest) return held.witnesses
    for (const witness of held?.witnesses ?? []) void witness.close()
    const witnesses = witnessesOf(roster, server.id, { credential: o.credential, signal })
    known.set(site, { digest: roster.digest, witnesses })
    return witnesses
  }

  const round = async (): Promise<boolean> => {
    const waived = await waivers(server.db)
    if (waived.size > 0) await noteWaivers(server.db, server.audit)
    const restored = await isRestored(server.db)
    let settled = true
    for (const roster of server.rosters.current()) {
      const state = stateOf(roster.body.site)
      const witnesses = witnessesIn(roster)
      // Changes are not taken yet, so what was heard in an earlier round may be old by now.
      if (!state.serving) state.answered.clear()
      const open = witnesses.filter(({ name }) => !state.answered.has(name) && !waived.has(name))
      if (open.length > 0) await askWitnesses(server, { roster, witnesses: open, state, log: o.log })
      const missing = open.filter(({ name }) => !state.answered.has(name)).map(({ name }) => name)
      settled &&= missing.length === 0
      if (state.serving) continue
      const needed = restored
        ? witnesses.length
        : Math.min(witnesses.length, roster.body.n - roster.body.m + 1)
      const counted = witnesses.filter(({ name }) => state.answered.has(name) || waived.has(name)).length
      for (const name of waived) forgive(state, name)
      const held = state.heldRoster.size > 0 || state.doubts.has('site')
      if (counted >= needed && !held) await serve(roster, state, { restored, waived })
      else await tell(roster, state, { missing: [...missing, ...state.heldRoster], needed, restored })
    }
    if (isServingAll() && server.rosters.current().length > 0) await forgetMarks()
    return isServingAll() && settled
  }

  const serve = async (
    { body }: TrustedRoster,
    state: SiteState,
    { restored, waived }: { restored: boolean; waived: ReadonlySet<string> },
  ): Promise<void> => {
    const facts = { answered: [...state.answered].join(' '), without: [...waived].join(' '), restored }
    await server.audit.record({ event: 'serving-begins', outcome: 'done', site: body.site, facts })
    state.serving = true
  }

  const tell = async (
    { body }: TrustedRoster,
    state: SiteState,
    { missing, needed, restored }: { missing: string[]; needed: number; restored: boolean },
  ): Promise<void> => {
    if (state.told) return
    const facts = { missing: missing.join(' '), answered: state.answered.size, needed, restored }
    await server.audit.record({
      event: 'catching-up',
      outcome: 'failed',
      code: 'MDM_CATCHING_UP',
      site: body.site,
      facts,
    })
    state.told = true
  }

  /** Until the time is over, or a site is trusted that was not known: it is served in a moment. */
  const rest = async (pause: number): Promise<void> => {
    const end = performance.now() + pause
    const isKnown = () => server.rosters.current().every(({ body }) => states.has(body.site))
    while (!signal.aborted && isKnown() && performance.now() < end)
      await sleep(Math.min(pause, AGAIN_MS), undefined, { signal, ref: false }).catch(() => undefined)
  }

  const forgetMarks = async (): Promise<void> => {
    await server.db.deleteFrom('restored').execute()
    await server.db.deleteFrom('waiver').execute()
  }

  const isServing = (site: string): boolean => states.get(site)?.serving === true
  const isServingAll = (): boolean => server.rosters.current().every(({ body }) => isServing(body.site))
  return {
    isServing,
    requireServing(site) {
      if (!isServing(site)) throw new MdmError('MDM_CATCHING_UP')
    },
    isInDoubt: (guid) => [...states.values()].some(({ doubts }) => doubts.has(guid)),
    isServingAll,

    async start() {
      let first: () => void = () => undefined
      const begun = new Promise<void>((resolve) => (first = resolve))
      loop = (async () => {
        for (let patience = AGAIN_MS / 2; !signal.aborted;) {
          const settled = await round().catch((error: unknown) => {
            if (!signal.aborted)
              o.log.error({
                event: 'catch-up-failed',
                code: error instanceof MdmError ? error.code : 'MDM_INTERNAL',
              })
            return false
          })
          first()
          patience = isServingAll() ? AGAIN_MS / 2 : Math.min(2 * patience, PATIENT_MS)
          const pause = settled ? LATER_MS : isServingAll() ? PATIENT_MS : patience
          await rest(pause)
        }
      })()
      await Promise.race([begun, sleep(FIRST_MS, undefined, { signal, ref: false }).catch(() => undefined)])
    },

    async close() {
      stop.abort(new MdmError('MDM_UNREACHABLE', 'the key server is stopping'))
      await loop
      await Promise.all([...known.values()].flatMap(({ witnesses }) => witnesses.map((w) => w.close())))
    },
  }
}

/** What a witness said counts no more once the operator goes on without it. */
function forgive(state: SiteState, name: string): void {
  state.heldRoster.delete(name)
  for (const [list, by] of state.doubts) {
    by.delete(name)
    if (by.size === 0) state.doubts.delete(list)
  }
}
