import { BaseCommand } from '../../base-command.ts'
import { failuresOf, type Failure } from '../../failures.ts'
import { quarantineArgs, quarantineIds, quarantineReason } from '../../quarantine-input.ts'

/** What nobody will mend need not be looked at again. */
export default class QuarantineDrop extends BaseCommand {
  static override summary = 'forget that something could not be registered'
  static override description =
    'For administrators of the site. The same refusal of the same objects makes no row again; if the series changes, what is refused of it then is a new row. The reason goes to the audit log of the site: write no patient into it.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> QUARANTINE_ID --reason "screenshots, not wanted"',
    '<%= config.bin %> quarantine ls --code=MDM_GEOMETRY_GAP --ids | <%= config.bin %> <%= command.id %> --reason "never completed" --json',
  ]
  static override args = quarantineArgs
  static override flags = { reason: quarantineReason }

  async run(): Promise<{ dropped: string[]; errors?: Failure[] }> {
    const { args, flags } = await this.parse(QuarantineDrop)
    const ids = await quarantineIds(args.id, this.signal)
    const { done, failures } = await this.withSession(flags, async (session) => {
      const { dropQuarantined } = await import('@mdm/core/access/quarantine')
      return await failuresOf(
        ids,
        (id) => id,
        async (id) => {
          await dropQuarantined(session, id, flags.reason, this.signal)
          return id
        },
        this.signal,
      )
    })
    this.print(done.map((id) => `${id}  dropped\n`).join(''))
    this.finish(failures)
    return { dropped: done, ...(failures.listed.length > 0 ? { errors: failures.listed } : {}) }
  }
}
