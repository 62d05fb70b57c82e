import type { z } from 'zod'
import type { getHealth } from '@mdm/core/wire/common'

/** What /health answers; reasons are codes, so that a monitor can tell them apart and no name is in them. */
export type Health = z.output<NonNullable<typeof getHealth.reply>>

/** Why a server is not ready. docs/server.md says what to do about each. */
export type NotReady =
  | 'audit-unwritable'
  | 'ban-list-unreadable'
  | 'rosters-unreadable'
  | 'crls-unreadable'
  | 'crl-stale'
  | 'vomsdir-unreadable'
  | 'no-roster'
  | 'store-unreachable'
  | 'spool-full'
  | 'key-servers-below-threshold'
  | 'catching-up'
  | 'stopping'

/** Why a site that is ready registers nothing: not every key server can take a share, or too few gave the pseudonym key. */
export type Holdup = 'key-servers' | 'pseudonym-key'

/** The codes whose condition holds, in their order. */
export function reasonsOf<Reason extends string = NotReady>(
  conditions: Readonly<Partial<Record<Reason, boolean>>>,
): Reason[] {
  return Object.entries(conditions).flatMap(([reason, holds]) => (holds ? [reason as Reason] : []))
}

/** Ready where nothing stands against it. */
export function healthOf(
  reasons: readonly NotReady[],
  more: Omit<Health, 'status' | 'reasons'> = {},
): Health {
  return { status: reasons.length === 0 ? 'ready' : 'not ready', reasons: [...reasons], ...more }
}
