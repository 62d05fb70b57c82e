import { MdmError } from '@mdm/core/errors'

/** SQLSTATEs that say nothing against the query: doing the whole transaction again may succeed. 23505 is a row that came first. */
const CONFLICTS = new Set(['40001', '40P01', '23505'])
/** Faults of the server or its machine, not of the query; classes (two characters) and single codes. */
const AWAY = new Set([
  '08',
  '53',
  '58',
  '25006',
  '25P03',
  '55P03',
  '57014',
  '57P01',
  '57P02',
  '57P03',
  '57P05',
])
/** What the operator has to mend before it can work at all: name, password, database, right to it. */
const CONFIGURED_WRONG = new Set(['28', '3D000', '42501'])

const conflicts = new WeakSet<object>()

/** An error of the database as MDM tells it, and whether its connection may be used again. */
export interface StoreFault {
  readonly error: MdmError
  readonly broken: boolean
}

/**
 * Translates an error of `pg`. Its own text and fields stay behind: they hold values of rows, names of users and parts of the URL.
 *
 * @returns MDM_STORE for what may pass, MDM_CONFIG for a refused login, MDM_INTERNAL for a query the database does not take
 */
export function storeFault(error: unknown): StoreFault {
  const state = sqlState(error)
  if (state === undefined) return { error: new MdmError('MDM_STORE'), broken: true }
  const cause = new Error(`SQLSTATE ${state}`)
  if (CONFLICTS.has(state)) {
    const conflict = new MdmError('MDM_STORE', 'another change came first', { cause })
    conflicts.add(conflict)
    return { error: conflict, broken: false }
  }
  if (isIn(AWAY, state)) return { error: new MdmError('MDM_STORE', undefined, { cause }), broken: true }
  if (isIn(CONFIGURED_WRONG, state)) {
    const text = 'the database refuses the login, or there is none of this name'
    return { error: new MdmError('MDM_CONFIG', text, { cause }), broken: true }
  }
  return { error: new MdmError('MDM_INTERNAL', undefined, { cause }), broken: false }
}

/** True for what a transaction that is done again may not meet again. */
export function isConflict(error: unknown): boolean {
  return typeof error === 'object' && error !== null && conflicts.has(error)
}

function isIn(set: ReadonlySet<string>, state: string): boolean {
  return set.has(state) || set.has(state.slice(0, 2))
}

/** Only errors that the database itself sent have one; a cut connection has `ECONNRESET` or nothing. */
function sqlState(error: unknown): string | undefined {
  const { code, severity } = error as { code?: unknown; severity?: unknown }
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && severity !== undefined ? code : undefined
}
