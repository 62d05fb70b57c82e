import { z } from 'zod'
import { Dn } from '../identity/dn.ts'
import { Sha256, SiteId, Version } from '../names.ts'
import { AclObject, Scope } from '../wire/common.ts'
import { Principal } from './principal.ts'

/** Rights on a file: know of it, fetch it, change it, change its list (paper 3.2). */
export const FILE_RIGHTS = ['list', 'read', 'write', 'admin'] as const
export const KEY_RIGHTS = ['read', 'admin'] as const
/** Rights on a metadata table are views of its columns, each holding the one before it. */
export const TABLE_RIGHTS = ['basic', 'research', 'read', 'admin'] as const

export const Right = z.enum(['list', 'read', 'write', 'basic', 'research', 'admin'])
export type Right = z.infer<typeof Right>

/** The rights that exist on an object; none on bans and groups, which only have members. */
export function rightsOf(object: AclObject): readonly Right[] {
  if (object === 'file') return FILE_RIGHTS
  if (object === 'key') return KEY_RIGHTS
  return object.startsWith('metadata:') ? TABLE_RIGHTS : []
}

const Time = z.iso.datetime()

/** One line of an access list; there are no negative ones, so order cannot matter. */
export const AclEntry = z.strictObject({
  to: Principal,
  rights: z.array(Right).max(8),
  versions: z.union([z.literal('all'), z.array(Version).min(1).max(1000)]),
  expires: Time.optional(),
})
export type AclEntry = z.infer<typeof AclEntry>

/** An administrator is a key (SHA-256 of its SubjectPublicKeyInfo); name and issuer are for people to read. */
export const Administrator = z.strictObject({ dn: Dn, issuer: Dn, spki: Sha256 })
export type Administrator = z.infer<typeof Administrator>

export const Change = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('found'), entries: z.array(AclEntry).max(500) }),
  z.strictObject({ op: z.literal('grant'), entry: AclEntry }),
  z.strictObject({ op: z.literal('revoke'), from: Principal }),
  z.strictObject({ op: z.literal('appoint'), administrator: Administrator }),
  z.strictObject({ op: z.literal('dismiss'), spki: Sha256 }),
  z.strictObject({ op: z.enum(['ban', 'unban']), who: Principal }),
  z.strictObject({ op: z.enum(['join', 'leave']), member: Principal }),
])
export type Change = z.infer<typeof Change>

/** What an administrator signs: one change of one list, chained to the one before it. */
export const StatementBody = z.strictObject({
  v: z.literal(1),
  site: SiteId,
  scope: Scope,
  object: AclObject,
  seq: z.int().min(0).max(1_000_000),
  /** digest of the statement before this one; null for the first */
  prev: Sha256.nullable(),
  change: Change,
  /** the signer's SubjectPublicKeyInfo (base64 DER), whose digest is the `kid`; absent where the site founds a list */
  key: z.base64().max(4096).optional(),
  time: Time,
  /** only with `grant`: the entry ends no later than this */
  expires: Time.optional(),
})
export type StatementBody = z.infer<typeof StatementBody>
