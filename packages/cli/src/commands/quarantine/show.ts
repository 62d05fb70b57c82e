import type { QuarantineRow } from '@mdm/core/wire/quarantine'
import { BaseCommand } from '../../base-command.ts'
import { failuresOf, type Failure } from '../../failures.ts'
import { table } from '../../output.ts'
import { quarantineArgs, quarantineIds } from '../../quarantine-input.ts'

/** One row, whole. */
export default class QuarantineShow extends BaseCommand {
  static override summary = 'show why something could not be registered, and what to do'
  static override description =
    'For administrators of the site. Which series it is stands in the database of the site alone: its operator finds it there by the id.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> QUARANTINE_ID',
    '<%= config.bin %> quarantine ls --ids | <%= config.bin %> <%= command.id %> --json',
  ]
  static override args = quarantineArgs

  async run(): Promise<{ rows: QuarantineRow[]; errors?: Failure[] }> {
    const { args, flags } = await this.parse(QuarantineShow)
    const ids = await quarantineIds(args.id, this.signal)
    const { done, failures } = await this.withSession(flags, async (session) => {
      const { quarantineRow } = await import('@mdm/core/access/quarantine')
      return await failuresOf(
        ids,
        (id) => id,
        (id) => quarantineRow(session, id, this.signal),
        this.signal,
      )
    })
    this.print(done.map((row) => table(['', ''], lines(row)).replace(/^\s*\n/, '')).join('\n'))
    this.finish(failures)
    return { rows: done, ...(failures.listed.length > 0 ? { errors: failures.listed } : {}) }
  }
}

function lines(row: QuarantineRow): [string, string][] {
  return [
    ['id', row.id],
    ['code', row.code],
    ['reason', row.reason],
    ['instances', String(row.instances)],
    ...(row.tags.length === 0 ? [] : [['attributes', row.tags.join(', ')] as [string, string]]),
    ['source', row.source],
    ['since', row.created],
    ['digest', row.digest],
    ...(row.released === undefined
      ? [['next', row.next] as [string, string]]
      : ([
          ['released', row.released.time],
          ['by', row.released.by],
          ['because', row.released.reason],
        ] as [string, string][])),
  ]
}
