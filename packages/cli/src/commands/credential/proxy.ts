import { MdmError } from '@mdm/core/errors'
import { Flags } from '@oclif/core'
import { BaseCommand } from '../../base-command.ts'
import { delegatedReport, type DelegatedReport } from '../../delegated-report.ts'
import { hours } from '../../flags.ts'

/** What voms-proxy-init makes, without attributes of a VO. */
export default class CredentialProxy extends BaseCommand {
  static override summary = 'make a proxy certificate (RFC 3820) with all your rights, for some hours'
  static override description = [
    'For grid clients, which take it from X509_USER_PROXY. It reads whatever you may read; it never changes access lists, registers or releases. For one',
    'job, "mdm credential delegate" gives less away. No site or key server is asked.',
  ].join(' ')
  static override examples = [
    '<%= config.bin %> <%= command.id %> --hours 12 -o proxy.pem',
    '<%= config.bin %> <%= command.id %> --limited -o proxy.pem --json',
  ]
  static override flags = {
    hours: hours(),
    limited: Flags.boolean({ description: 'good for data, not for starting jobs (as Globus has it)' }),
    output: Flags.string({
      char: 'o',
      required: true,
      helpValue: 'FILE|-',
      description: 'where to; - for stdout',
    }),
  }

  async run(): Promise<DelegatedReport> {
    const { flags } = await this.parse(CredentialProxy)
    if (flags.output === '-' && this.jsonEnabled())
      throw new MdmError('MDM_USAGE', '-o - and --json both want stdout')
    const language = flags.limited ? ('limited' as const) : ('inheritAll' as const)
    const made = await delegatedReport(await this.ownCredential(flags), { ...flags, policy: { language } })
    for (const line of made.notes('all that you may read')) this.talk(line)
    if (flags.output !== '-') this.print(flags.output)
    return made.report
  }
}
