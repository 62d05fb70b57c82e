import { MdmError } from '../errors.ts'
import { getHealth } from '../wire/common.ts'
import type { Peer } from './http.ts'

/** What one look at a service shows. */
export interface Probe {
  readonly url: string
  /** it answered, were it with a refusal */
  readonly answers: boolean
  /** how far its clock is ahead of ours, ms; a second is as near as it gets */
  readonly clockAheadMs?: number
  /** what it says of its own health */
  readonly health?: { readonly status: 'ready' | 'not ready'; readonly reasons: readonly string[] }
  /** why it does not answer, or does not let us in */
  readonly refusal?: MdmError
}

/** How long a look may take. */
const TIMEOUT_MS = 8_000

/**
 * Looks at a service: does it answer, is it ready, what time is it there. Never throws.
 *
 * @param now our clock
 */
export async function probe(peer: Peer, now: () => Date = () => new Date()): Promise<Probe> {
  const { url } = peer
  const asked = now().getTime()
  const timeout = AbortSignal.timeout(TIMEOUT_MS)
  try {
    const { headers, reply, refusal } = await peer.look(getHealth, {}, { signal: timeout })
    const time = Date.parse(headers['date'] ?? '')
    return {
      url,
      answers: true,
      // The header has no fraction: half a second is its mean.
      ...(Number.isNaN(time) ? {} : { clockAheadMs: time + 500 - (asked + now().getTime()) / 2 }),
      ...(reply === undefined ? {} : { health: reply }),
      ...(refusal === undefined ? {} : { refusal }),
    }
  } catch (error) {
    const known =
      error instanceof MdmError ? error : new MdmError('MDM_UNREACHABLE', undefined, { cause: error })
    return { url, answers: false, refusal: known }
  }
}
