import { z } from 'zod'
import { Guid, Lfn, Version } from '../names.ts'
import { contract } from './contract.ts'

/** What can happen to a volume; later versions may have more. */
export const ChangeKind = z.enum(['registered', 'new-version', 'gone', 'returned'])
export type ChangeKind = z.infer<typeof ChangeKind>

/** A place in the sequence of changes. It says nothing by itself, so that nobody can count what he may not see. */
export const Cursor = z.string().regex(/^[A-Za-z0-9_-]{22}$/)
export type Cursor = z.infer<typeof Cursor>

export const ChangeRow = z.object({
  time: z.iso.datetime(),
  change: ChangeKind,
  guid: Guid,
  /** the version that was registered; the newest one, where the volume went or came back */
  version: Version,
  lfn: Lfn,
  /** false where the caller may list the volume, but not in this version */
  listed: z.boolean(),
  /** goes on after this row */
  cursor: Cursor,
})
export type ChangeRow = z.infer<typeof ChangeRow>

/** Changes of one page. */
export const CHANGES_AT_ONCE = 1_000

/**
 * What happened to the volumes on which the caller has `list`, oldest first: from after cursor `after` on, and not before the time
 * `from`. `cursor` goes on where this page ends; `more` says that there is something already.
 */
export const listChanges = contract({
  method: 'GET',
  path: '/v1/changes',
  query: z.object({
    after: Cursor.optional(),
    from: z.iso.datetime().optional(),
    limit: z.coerce.number().int().min(1).max(CHANGES_AT_ONCE).optional(),
  }),
  reply: z.object({ rows: z.array(ChangeRow).max(CHANGES_AT_ONCE), cursor: Cursor, more: z.boolean() }),
})
