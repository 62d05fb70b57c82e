import type { QuarantineRow } from '@mdm/core/wire/quarantine'
import { Flags } from '@oclif/core'
import { BaseCommand } from '../../base-command.ts'
import { table } from '../../output.ts'

/** What the site refused, for its administrators. */
export default class QuarantineLs extends BaseCommand {
  static override summary = 'list what could not be registered'
  static override description =
    'For administrators of the site. A row says by which rule, names of DICOM attributes and what to do, and holds no value and no pixel. A row goes by itself when its series is registered or has left its source; what a person released is listed by --released and stays.'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --code=MDM_GEOMETRY_GAP --ids',
    '<%= config.bin %> <%= command.id %> --released',
    '<%= config.bin %> <%= command.id %> --json',
  ]
  static override flags = {
    code: Flags.string({ helpValue: 'CODE', description: 'only rows of this code' }),
    released: Flags.boolean({ description: 'what a person released, in place of what waits' }),
    ids: Flags.boolean({ description: 'one id a line, for "quarantine retry" and "quarantine drop"' }),
  }

  async run(): Promise<{ rows: QuarantineRow[] }> {
    const { flags } = await this.parse(QuarantineLs)
    const rows = await this.withSession(flags, async (session) => {
      const { quarantined } = await import('@mdm/core/access/quarantine')
      const found: QuarantineRow[] = []
      for await (const row of quarantined(session, this.signal))
        if (
          (row.released !== undefined) === (flags.released ?? false) &&
          (flags.code ?? row.code) === row.code
        )
          found.push(row)
      return found
    })
    if (flags.ids) this.print(rows.map(({ id }) => `${id}\n`).join(''))
    else if (rows.length > 0) {
      const cells = rows.map((r) => [r.id, r.code, r.instances, r.source, r.created.slice(0, 10), r.reason])
      const width = process.stdout.columns || undefined
      this.print(table(['id', 'code', 'instances', 'source', 'since', 'reason'], cells, width))
    }
    return { rows }
  }
}
