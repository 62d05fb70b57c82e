import type { RegisterReport } from '@mdm/core/access/register'
import type { RegisterQuestion } from '@mdm/core/wire/register'
import { Flags } from '@oclif/core'
import { BaseCommand } from '../base-command.ts'
import { registeredTable, remarks, runRegistration, setsTable, settle } from '../registration-run.ts'

/** FLOW 1, asked for by an administrator. */
export default class Register extends BaseCommand {
  static override summary = 'register new series of the site’s sources'
  static override description = [
    'The site reads its own sources and registers what is new; nothing is uploaded. The work goes on at the site when this',
    'command ends early. What cannot be registered is refused with a code and kept in quarantine; what a source no longer has is',
    'marked as gone. If a key server is down, registration waits for it and goes on by itself (exit code 10). --where narrows to a',
    'part of a source: comparisons of modality, study_date, source_patient_id, study_uid and series_uid, joined by "and"; a series',
    'that is known then, and of which the source has as many objects as before, is not read again, so that what was',
    'interrupted goes on quickly where it was. --report keeps what became of each series, without a patient or UID in it;',
    '--again tries what failed, waited or was refused in such a report.',
  ].join(' ')
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --source SOURCE --json',
    '<%= config.bin %> <%= command.id %> --source SOURCE --where "modality=MR and study_date>=20080101" --report report.json',
    '<%= config.bin %> <%= command.id %> --source SOURCE --where "modality=CT" --allow-gaps',
    '<%= config.bin %> <%= command.id %> --report report.json && <%= config.bin %> <%= command.id %> --again report.json',
  ]
  static override flags = {
    source: Flags.string({
      helpValue: 'NAME',
      description: 'only this source of the site; all of them when absent',
    }),
    where: Flags.string({
      helpValue: 'EXPR',
      description: 'only series for which this holds, such as "modality=MR and study_date>=20240101"',
    }),
    recheck: Flags.boolean({
      allowNo: true,
      description:
        'read known series again though the source has as many objects as before; without --where that is so',
    }),
    'allow-gaps': Flags.boolean({
      description:
        'also make volumes whose slices are missing or uneven; their header says where each slice is, and nothing is made up',
    }),
    report: Flags.string({
      helpValue: 'FILE',
      description: 'write what became of each series, as JSON, also when it ends early',
    }),
    again: Flags.string({
      helpValue: 'FILE',
      exclusive: ['source', 'where', 'recheck'],
      description: 'try again what failed, waited or was refused in this report',
    }),
  }

  async run(): Promise<RegisterReport> {
    const { flags } = await this.parse(Register)
    const { source, where, recheck } = flags
    const allowGaps = flags['allow-gaps'] ? true : undefined
    const asked = { source, where, recheck, allowGaps }
    const began = new Date().toISOString()
    const end = await this.withSession(flags, async (session) => {
      const { site } = session.roster.body
      const questions =
        flags.again === undefined ? [asked] : await this.again(flags.again, { site, allowGaps })
      const ended = await runRegistration(session, questions, this.signal)
      if (flags.report !== undefined) {
        const { writeReport } = await import('../report-file.ts')
        const filtered = where !== undefined || flags.again !== undefined
        const of = { site, filtered, began, ...(source === undefined ? {} : { source }) }
        await writeReport(flags.report, ended, of)
      }
      return ended
    })
    this.print(registeredTable(end.report))
    this.print(setsTable(end.report))
    settle(end, (line) => this.talk(line))
    if (!this.jsonEnabled()) for (const line of remarks(end.report)) this.talk(line)
    return end.report
  }

  private async again(
    file: string,
    { site, allowGaps }: { site: string; allowGaps: true | undefined },
  ): Promise<RegisterQuestion[]> {
    const { questionsAgain } = await import('../report-file.ts')
    const questions = await questionsAgain(file, { site, read: (path) => this.readText(path) })
    return questions.map((question) => ({ ...question, allowGaps }))
  }
}
