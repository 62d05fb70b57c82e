import { dirname } from 'node:path'
import { MdmError } from '@mdm/core/errors'
import { fault, good, shellWord, type Finding } from '@mdm/core/findings'
import { inspectStore, type StoreState } from '../store/inspect.ts'
import { isPostgresUrl } from '../store/postgres.ts'
import { schemaState } from '../store/schema-state.ts'

/**
 * Does the database open, may it be written, and is its schema the one of this version?
 *
 * @param o `store` as the server opens it, `known` the migrations of this version, `start` and `restore` the commands that do so
 */
export async function checkStore(o: {
  store: string
  known: readonly string[]
  start: string
  restore: string
}): Promise<Finding[]> {
  const isRemote = isPostgresUrl(o.store)
  // A URL may hold a password, and is never shown.
  const subject = isRemote ? 'postgres' : o.store
  let state: StoreState
  try {
    state = await inspectStore(o.store)
  } catch (error) {
    const message = error instanceof MdmError ? error.message : 'it cannot be opened'
    const next = isRemote
      ? 'systemctl status postgresql, then try "psql" as the user of the server with the URL of the field "store"'
      : o.restore
    return [fault('store', subject, message, next)]
  }
  return [writable(state, isRemote, subject), schema(state, subject, o)]
}

function writable(state: StoreState, isRemote: boolean, subject: string): Finding {
  if (state.isWritable)
    return good('store', subject, state.applied === undefined ? 'the first start makes it' : 'it opens')
  if (state.applied === undefined && !isRemote) {
    const folder = shellWord(dirname(subject))
    return fault(
      'store',
      subject,
      'it cannot be made',
      `mkdir -m 700 -p ${folder}, as the user of the server`,
    )
  }
  const next = isRemote
    ? 'psql -c "alter database DATABASE owner to USER", and see that it is no standby'
    : `chmod 600 ${shellWord(subject)}, as the user of the server, and see that its disk is not mounted read-only`
  return fault('store', subject, 'it cannot be written', next)
}

function schema(state: StoreState, subject: string, o: { known: readonly string[]; start: string }): Finding {
  const found = schemaState(state.applied, o.known)
  if (found.kind === 'new') return good('schema', subject, 'the first start makes it')
  if (found.kind === 'current') return good('schema', subject, `at ${found.level}`)
  if (found.kind === 'newer') {
    const message = `written by a newer MDM: this version does not know "${found.level}"`
    return fault(
      'schema',
      subject,
      message,
      'install that version again, or restore a backup made by this one',
    )
  }
  const message = `old: it is at "${found.level}", and this version needs ${found.missing.length} more`
  return fault(
    'schema',
    subject,
    message,
    `make a backup, then (re)start the server, which brings it up to date: ${o.start}`,
  )
}
