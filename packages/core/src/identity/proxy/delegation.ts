import { MdmError } from '../../errors.ts'
import type { Limits } from '../limits.ts'
import { LANGUAGE, narrow, readPolicy } from './policy.ts'
import type { ProxyInfo } from './proxy-info.ts'

/** How a proxy may act for its owner (RFC 3820 section 3.8.2). */
export interface Delegation {
  readonly proxy: 'full' | 'limited' | 'restricted'
  /** what a restricted one is narrowed to */
  readonly limits?: Limits
}

/**
 * What the proxies of one chain leave together: a proxy has never more than the one that made it, so one below a limited proxy
 * is limited, and limits narrow from each to the next.
 *
 * @param proxies leaf first, as in the chain; at least one
 * @throws MDM_UNAUTHENTICATED for another policy language, a path longer than a proxy allows, or when nothing is left
 */
export function delegationOf(proxies: readonly ProxyInfo[]): Delegation {
  let proxy: Delegation['proxy'] = 'full'
  let limits: Limits | undefined
  for (const [below, info] of [...proxies.entries()].reverse()) {
    if (info.pathLength !== undefined && info.pathLength < below)
      throw refused('a proxy may not be delegated as far')
    if (info.language === LANGUAGE.mdmLimits) {
      limits = narrowed(limits, info.policy)
      proxy = 'restricted'
    } else {
      if (info.policy !== undefined) throw refused('a proxy has a policy where none may be')
      if (info.language === LANGUAGE.limited) proxy = proxy === 'restricted' ? proxy : 'limited'
      else if (info.language !== LANGUAGE.inheritAll)
        throw refused('a proxy has a policy that is not understood here')
    }
  }
  return limits === undefined ? { proxy } : { proxy, limits }
}

function narrowed(outer: Limits | undefined, policy: Buffer | undefined): Limits {
  const inner = policy === undefined ? undefined : readPolicy(policy)
  if (inner === undefined) throw refused('a proxy has a policy that is not understood here')
  const left = narrow(outer, inner)
  if (left === undefined) throw refused('the proxies of the chain leave nothing together')
  return left
}

function refused(why: string): MdmError {
  return new MdmError('MDM_UNAUTHENTICATED', why)
}
