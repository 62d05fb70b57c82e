import type { Guid } from '../../names.ts'
import { Limits } from '../limits.ts'

/** Policy languages of RFC 3820 section 3.8.2 that are accepted; any other refuses the proxy. */
export const LANGUAGE = {
  /** all rights of the owner */
  inheritAll: '1.3.6.1.5.5.7.21.1',
  /** Globus: as inheritAll, but no job may be started with it, which MDM never does */
  limited: '1.3.6.1.4.1.3536.1.1.1.9',
  /** ours: the policy is Limits as JSON; an arc made of a random UUID (ITU-T X.667) */
  mdmLimits: '2.25.119351359429695685949624346821610304130',
} as const

/** Longest life of what is delegated with limits, in hours: nobody can take it back alone before its end. */
export const MOST_HOURS = 24

/** The bytes of a policy. */
export function writePolicy(limits: Limits): Buffer {
  return Buffer.from(JSON.stringify(Limits.parse(limits)))
}

/** Reads a policy; undefined when it is none, and then the proxy must be refused. */
export function readPolicy(bytes: Buffer): Limits | undefined {
  try {
    return Limits.safeParse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))).data
  } catch {
    return undefined
  }
}

/** What two proxies of one chain leave together; undefined when nothing is left. */
export function narrow(outer: Limits | undefined, inner: Limits): Limits | undefined {
  if (outer === undefined) return inner
  const guids = inner.guids.filter((guid: Guid) => outer.guids.includes(guid))
  const operations = inner.operations.filter((operation) => outer.operations.includes(operation))
  return guids.length > 0 && operations.length > 0 ? { guids, operations } : undefined
}
