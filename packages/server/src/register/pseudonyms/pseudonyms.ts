import type { KeyObject } from 'node:crypto'
import { gatherFileKey, type KeyServerFault } from '@mdm/core/grid/key-servers'
import { MdmError } from '@mdm/core/errors'
import type { Log } from '../../http/log.ts'
import { notReady } from '../key-servers.ts'
import { pseudonymKeysOf, type PseudonymKeys } from './derive.ts'
import { keyInUse, waits, type PseudonymKeyOptions } from './make-key.ts'
import { renewRows } from './renew-rows.ts'
import { splitAgain } from './split-again.ts'
import { hasOlder, storedKey, type StoredKey } from './stored-key.ts'

/** After a look that not every key server answered, or a split that not every one took, ms. */
const SPLIT_AGAIN_MS = 600_000

/** What makes pseudonyms: a key that m key servers give, kept in memory from then on and nowhere else (decision 44). */
export interface Pseudonyms {
  /**
   * The keys, made where the site has none, once no row is left with a pseudonym of an older generation.
   *
   * @throws MDM_WAITING while too few key servers give their share, or not all can take one of a new key
   */
  keys(signal: AbortSignal): Promise<PseudonymKeys>
  /** True while the site has a key, or rows that need one, and has not got it since its start: nothing is registered meanwhile. */
  isMissing(): Promise<boolean>
  /** Gets a key that the site has or needs, once m key servers are ready, and keeps it split as the roster says. */
  takeUp(signal: AbortSignal): Promise<void>
  /** Stops what is under way, and forgets the key. */
  close(): Promise<void>
}

export function openPseudonyms(o: PseudonymKeyOptions & { readonly log: Log }): Pseudonyms {
  let held: { readonly key: StoredKey; readonly secret: KeyObject; readonly keys: PseudonymKeys } | undefined
  let getting: Promise<PseudonymKeys> | undefined
  const stop = new AbortController()
  let told = false
  /** digest of the roster under which the split was found whole */
  let splitOf: string | undefined
  let tried: string | undefined
  let splitDue = 0

  const get = async (signal: AbortSignal): Promise<PseudonymKeys> => {
    const key = await keyInUse(o, signal)
    const secret = await gather(o, key, signal)
    const keys = pseudonymKeysOf(secret)
    await renewRows(o.db, keys, signal)
    held = { key, secret, keys }
    o.log.info({ event: 'pseudonym-key-there' })
    return keys
  }

  const keepSplit = async (signal: AbortSignal): Promise<void> => {
    const { digest } = o.roster()
    if (held === undefined || splitOf === digest || (tried === digest && performance.now() < splitDue)) return
    if ((await notReady(o.keyServers(), signal)).length > 0) return
    tried = digest
    splitDue = performance.now() + SPLIT_AGAIN_MS
    const key = (await storedKey(o.db)) ?? held.key
    try {
      if (await splitAgain(o, key, held.secret, signal)) splitOf = digest
    } catch (error) {
      // The split that is in use still is; registration goes on.
      if (signal.aborted || !(error instanceof MdmError)) throw error
      o.log.warn({ event: 'pseudonym-key-not-split', code: error.code })
    }
  }

  const isNeeded = async (): Promise<boolean> =>
    (await storedKey(o.db)) !== undefined || (await hasOlder(o.db))

  const pseudonyms: Pseudonyms = {
    async keys(signal) {
      if (held !== undefined) return held.keys
      // Whoever comes meanwhile waits for the same: there is one key, and it is made once, also if the first who came has left.
      getting ??= get(stop.signal).finally(() => (getting = undefined))
      return await unlessAborted(getting, signal)
    },

    isMissing: async () => held === undefined && (await isNeeded()),

    async takeUp(signal) {
      if (held === undefined) {
        if (!(await isNeeded())) return
        const servers = o.keyServers()
        const down = await notReady(servers, signal)
        // Not asked in vain: each answer is a record in the audit log of a key server.
        const enough = servers.length - down.length >= o.roster().body.m
        const failed = enough ? await pseudonyms.keys(signal).then(() => false, isWaiting) : true
        if (failed && !told) o.log.warn({ event: 'pseudonym-key-missing', code: 'MDM_WAITING' })
        told = failed
      }
      await keepSplit(signal)
    },

    async close() {
      stop.abort(new MdmError('MDM_UNREACHABLE', 'the site is stopping'))
      await getting?.catch(() => undefined)
      held = undefined
    },
  }
  return pseudonyms
}

async function gather(
  o: PseudonymKeyOptions & { readonly log: Log },
  { guid, kid, manifest }: StoredKey,
  signal: AbortSignal,
): Promise<KeyObject> {
  const { body, signers } = o.roster()
  const onFault = ({ server, code }: KeyServerFault) =>
    o.log.warn({ event: 'key-server-fault', code, server })
  try {
    const { fileKey } = await gatherFileKey({
      ...{ servers: o.keyServers(), site: o.site, guid, kid, manifest, signers },
      ...{ threshold: body.m, signal, onFault },
    })
    return fileKey
  } catch (error) {
    if (signal.aborted || !(error instanceof MdmError)) throw error
    const why =
      error.code === 'MDM_NOT_FOUND' ? 'no key server has a share of it for this site' : error.message
    throw waits(`its key servers: ${why}`)
  }
}

/** What work gives, unless who waits for it leaves before; it goes on without him. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  work.catch(() => undefined)
  signal.throwIfAborted()
  const left = Promise.withResolvers<never>()
  const onAbort = () => left.reject(signal.reason as Error)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work, left.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

function isWaiting(error: unknown): true {
  if (error instanceof MdmError && error.code === 'MDM_WAITING') return true
  throw error
}
