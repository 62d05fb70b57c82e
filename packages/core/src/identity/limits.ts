import { z } from 'zod'
import { Guid } from '../names.ts'
import type { AclObject, Scope } from '../wire/common.ts'

/** Volumes that limits may name: they travel in every handshake. */
export const MOST_GUIDS = 500

/** What a holder may do in its owner's name: know of the volumes and fetch their containers, or read their keys. */
export const LimitedOperation = z.enum(['read-file', 'read-key'])
export type LimitedOperation = z.infer<typeof LimitedOperation>

/**
 * What a delegated credential narrows its owner's rights to (RFC 3820 section 3.8.2): these volumes and these operations, never
 * metadata, never an access list. It gives nothing that its owner has not at the time of use.
 */
export const Limits = z.strictObject({
  guids: z.array(Guid).min(1).max(MOST_GUIDS),
  operations: z.array(LimitedOperation).min(1).max(2),
})
export type Limits = z.infer<typeof Limits>

/** True when limits leave a right on one object of one volume; absent limits leave all. */
export function leaves(limits: Limits | undefined, scope: Scope, object: AclObject, right: string): boolean {
  if (limits === undefined) return true
  if (!limits.guids.some((guid) => guid === scope)) return false
  if (object === 'file')
    return right === 'list' || (right === 'read' && limits.operations.includes('read-file'))
  return object === 'key' && right === 'read' && limits.operations.includes('read-key')
}
