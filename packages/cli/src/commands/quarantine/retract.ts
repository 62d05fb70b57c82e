import { BaseCommand } from '../../base-command.ts'
import { quarantineArgs, quarantineIds, quarantineReason } from '../../quarantine-input.ts'
import { decide, decidedReport } from '../../quarantine-decision.ts'
import { remarks, settle } from '../../registration-run.ts'

/** A release that was a mistake. */
export default class QuarantineRetract extends BaseCommand {
  static override summary = 'take a release of held images back'
  static override description = [
    'For administrators of the site. Volumes with these images are gone at once: a get is refused with MDM_GONE, also where it is under',
    'way. What was fetched before is fetched; no key is deleted. Released again, the volumes are back under their names.',
    'The reason goes to the audit log of the site: write no patient into it. Released rows: "quarantine ls --released".',
  ].join(' ')
  static override examples = [
    '<%= config.bin %> <%= command.id %> RELEASED_ID --reason "a name in the corner of frame 12"',
    '<%= config.bin %> quarantine ls --released --ids | <%= config.bin %> <%= command.id %> --reason "to be looked at again" --json',
  ]
  static override args = quarantineArgs
  static override flags = { reason: quarantineReason }

  async run() {
    const { args, flags } = await this.parse(QuarantineRetract)
    const ids = await quarantineIds(args.id, this.signal)
    const decided = await this.withSession(flags, async (session) => {
      const { retractReleased } = await import('@mdm/core/access/quarantine')
      return await decide(
        session,
        ids,
        (id) => retractReleased(session, id, flags.reason, this.signal),
        this.signal,
      )
    })
    this.print(decided.done.map((id) => `${id}  held again\n`).join(''))
    settle(decided.end, (line) => this.talk(line))
    if (!this.jsonEnabled()) for (const line of remarks(decided.end.report)) this.talk(line)
    this.finish(decided.failures)
    return decidedReport('retracted', decided)
  }
}
