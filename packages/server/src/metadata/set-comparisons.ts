import type { Comparison, Query } from '@mdm/core/query/ast'
import { MdmError } from '@mdm/core/errors'
import { Guid } from '@mdm/core/names'

/** The column that every volume has which is in a set that the caller may list; it is of no table. */
export const SET_COLUMN = 'set'

/** Comparisons of the set apart from those of tables. @throws MDM_QUERY for one that is not = or != with a GUID */
export function splitSets(query: Query): {
  sets: ((set: Guid | undefined) => boolean)[]
  tables: Comparison[]
} {
  const isSet = ({ column }: Comparison): boolean => column === SET_COLUMN
  return {
    sets: query.comparisons.filter(isSet).map(testOf),
    tables: query.comparisons.filter((comparison) => !isSet(comparison)),
  }
}

/** As with any column, a volume without a set fulfils no comparison, not even `!=`. */
function testOf({ operator, value, position }: Comparison): (set: Guid | undefined) => boolean {
  const wanted = Guid.safeParse(value.text.toLowerCase())
  if (!wanted.success || (operator !== '=' && operator !== '!=')) {
    const text = `at character ${position} of the query: a set is compared by = or != with its GUID`
    throw new MdmError('MDM_QUERY', text, { details: { position } })
  }
  return (set) => set !== undefined && (set === wanted.data) === (operator === '=')
}
