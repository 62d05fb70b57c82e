import type { RegisterReport } from '@mdm/core/access/register'
import { BaseCommand } from '../../base-command.ts'
import { quarantineArgs, quarantineIds } from '../../quarantine-input.ts'
import { registeredTable, remarks, runRegistration, settle } from '../../registration-run.ts'

/** FLOW 1 for the series of some rows. */
export default class QuarantineRetry extends BaseCommand {
  static override summary = 'try to register again what could not be registered'
  static override description =
    'For administrators of the site. The series are read from their source as they are now; a row whose series is registered, or is no longer there, goes. What is refused again for the same reason keeps its row.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> QUARANTINE_ID',
    '<%= config.bin %> quarantine ls --code=MDM_GEOMETRY_GAP --ids | <%= config.bin %> <%= command.id %> --json',
  ]
  static override args = quarantineArgs

  async run(): Promise<RegisterReport> {
    const { args, flags } = await this.parse(QuarantineRetry)
    const ids = await quarantineIds(args.id, this.signal)
    const { NAMED_AT_ONCE } = await import('@mdm/core/wire/register')
    const questions = Array.from({ length: Math.ceil(ids.length / NAMED_AT_ONCE) }, (_, i) => ({
      quarantine: ids.slice(i * NAMED_AT_ONCE, (i + 1) * NAMED_AT_ONCE),
    }))
    const end = await this.withSession(flags, (session) => runRegistration(session, questions, this.signal))
    this.print(registeredTable(end.report))
    settle(end, (line) => this.talk(line))
    if (!this.jsonEnabled()) for (const line of remarks(end.report)) this.talk(line)
    return end.report
  }
}
