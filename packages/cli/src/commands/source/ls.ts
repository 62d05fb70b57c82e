import type { SourceRow } from '@mdm/core/wire/site'
import { BaseCommand } from '../../base-command.ts'
import { table } from '../../output.ts'

/** Where the images of the site are. */
export default class SourceLs extends BaseCommand {
  static override summary = 'list the sources of the site'
  static override description =
    'Where the site reads images: folders and DICOM servers, by the names that LFNs carry. For administrators of the site. The site’s own configuration says what they are; this changes nothing.'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --json',
  ]

  async run(): Promise<{ sources: SourceRow[] }> {
    const { flags } = await this.parse(SourceLs)
    const sources = await this.withSession(flags, async (session) => {
      const { sourcesOf } = await import('@mdm/core/access/sources')
      return await sourcesOf(session, this.signal)
    })
    if (sources.length > 0)
      this.print(
        table(
          ['name', 'kind', 'server'],
          sources.map(({ name, kind, server }) => [name, kind, server]),
        ),
      )
    return { sources }
  }
}
