import { createHash } from 'node:crypto'
import type { Sha256 } from '@mdm/core/names'
import type { ValueMap } from './plane.ts'

const known = new WeakMap<object, Sha256>()

/** Tells a table of values from another; objects of a series often share one. */
export function tableDigest(table: NonNullable<ValueMap['table']>): Sha256 {
  const before = known.get(table)
  if (before !== undefined) return before
  const digest = createHash('sha256')
    .update(JSON.stringify([table.first, table.values]))
    .digest('hex')
  known.set(table, digest)
  return digest
}
