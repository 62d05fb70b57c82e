import { MdmError } from '@mdm/core/errors'
import { isPostgresUrl } from '../store/postgres.ts'

/**
 * The option --store of `init`: the URL of a PostgreSQL database. A SQLite file needs no option.
 *
 * @throws MDM_USAGE for anything else, and for a URL with a password: it would stand in the configuration
 */
export function storeOf(store: string | undefined): { store?: string } {
  if (store === undefined) return {}
  if (!isPostgresUrl(store))
    throw new MdmError('MDM_USAGE', '--store is not of the form postgres://user@host/database')
  if (/^[a-z]+:\/\/[^/?#@]*:[^/?#@]*@/i.test(store))
    throw new MdmError(
      'MDM_USAGE',
      '--store holds a password: put it into ~/.pgpass of the user that the server runs as',
    )
  return { store }
}
