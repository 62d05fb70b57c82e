import { BaseCommand } from '../../base-command.ts'
import { quarantineArgs, quarantineIds, quarantineReason } from '../../quarantine-input.ts'
import { decide, decidedReport } from '../../quarantine-decision.ts'
import { registeredTable, remarks, settle } from '../../registration-run.ts'

/** A person's word that pixels name nobody. */
export default class QuarantineRelease extends BaseCommand {
  static override summary = 'let images leave that were held because they may show who the patient is'
  static override description = [
    'For administrators of the site, and for rows of MDM_PRIVACY_HELD only. Look first: "deid preview" shows what would leave, and the',
    'pixels are to be looked at, every one of them. The release counts for exactly the objects of the row: if one of them changes, or',
    'another comes to their series, the series is held again. The series is registered next. Your name and the reason go to the audit',
    'log of the site: write no patient into it. "quarantine retract" takes a release back.',
  ].join(' ')
  static override examples = [
    '<%= config.bin %> deid preview HELD_ID && <%= config.bin %> <%= command.id %> HELD_ID --reason "looked at all frames, no text"',
    '<%= config.bin %> <%= command.id %> HELD_ID --reason "reformats of our own console" --json',
  ]
  static override args = quarantineArgs
  static override flags = { reason: quarantineReason }

  async run() {
    const { args, flags } = await this.parse(QuarantineRelease)
    const ids = await quarantineIds(args.id, this.signal)
    const decided = await this.withSession(flags, async (session) => {
      const { releaseQuarantined } = await import('@mdm/core/access/quarantine')
      return await decide(
        session,
        ids,
        (id) => releaseQuarantined(session, id, flags.reason, this.signal),
        this.signal,
      )
    })
    this.print(decided.done.map((id) => `${id}  released\n`).join('') + registeredTable(decided.end.report))
    settle(decided.end, (line) => this.talk(line))
    if (!this.jsonEnabled()) for (const line of remarks(decided.end.report)) this.talk(line)
    this.finish(decided.failures)
    return decidedReport('released', decided)
  }
}
