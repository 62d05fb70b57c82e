import { MdmError, isErrorCode } from '@mdm/core/errors'
import type { RegisterEvent, RegisterReport } from '@mdm/core/wire/site'
import { Flags } from '@oclif/core'
import { BaseCommand } from '../base-command.ts'
import { table } from '../output.ts'
import { Progress } from '../progress.ts'

/** FLOW 1, asked for by an administrator. */
export default class Register extends BaseCommand {
  static override summary = 'register new series of the site’s sources'
  static override description = [
    'The site reads its own sources and registers what is new; nothing is uploaded. The work goes on at the site when this',
    'command ends early. What cannot be registered is refused with a code and kept in quarantine. If a key server is down,',
    'registration waits for it and goes on by itself (exit code 10).',
  ].join(' ')
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --source SOURCE --json',
  ]
  static override flags = {
    source: Flags.string({
      helpValue: 'NAME',
      description: 'only this source of the site; all of them when absent',
    }),
  }

  async run(): Promise<RegisterReport> {
    const { flags } = await this.parse(Register)
    const report = await this.withSession(flags, async (session) => {
      const { register } = await import('@mdm/core/access/metadata')
      return await this.follow(
        register(session, {
          ...(flags.source === undefined ? {} : { source: flags.source }),
          signal: this.signal,
        }),
      )
    })
    this.show(report)
    return report
  }

  private async follow(events: AsyncIterable<RegisterEvent>): Promise<RegisterReport> {
    const progress = new Progress('registering')
    const waiting: string[] = []
    let report: RegisterReport | undefined
    for await (const event of events) {
      if (event.type === 'progress') progress.count(event.done, event.total)
      if (event.type === 'waiting') waiting.push(event.message)
      if (event.type === 'done') report = event.report
      if (event.type === 'error')
        throw new MdmError(isErrorCode(event.code) ? event.code : 'MDM_INTERNAL', event.message)
    }
    progress.end()
    if (report === undefined && waiting.length === 0)
      throw new MdmError('MDM_UNREACHABLE', 'the site stopped before it reported; registration goes on there')
    if (waiting.length > 0 && !hasNews(report)) throw new MdmError('MDM_WAITING', waiting[0])
    // Something else was done meanwhile: that is the answer, and what waits is said beside it.
    for (const message of new Set(waiting)) this.talk(message)
    if (waiting.length > 0) process.exitCode = new MdmError('MDM_WAITING').exitCode
    return report ?? { registered: [], already: [], refused: [] }
  }

  private show({ registered, already, refused }: RegisterReport): void {
    if (registered.length > 0) {
      const rows = registered.map((v) => [v.guid, v.modality, v.shape.join(' x '), v.instances, v.lfn])
      this.print(table(['GUID', 'modality', 'shape', 'instances', 'LFN'], rows))
    }
    for (const r of refused) this.talk(`refused: ${r.reason} (${r.code}, quarantine ${r.quarantine})`)
    if (!this.jsonEnabled())
      this.talk(`${registered.length} registered, ${already.length} already there, ${refused.length} refused`)
  }
}

function hasNews(report: RegisterReport | undefined): boolean {
  return report !== undefined && report.registered.length + report.refused.length > 0
}
