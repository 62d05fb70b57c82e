import { MdmError } from '@mdm/core/errors'
import type { DeidPreview, DeidQuestion } from '@mdm/core/wire/deid'
import { Args, Flags } from '@oclif/core'
import { BaseCommand } from '../../base-command.ts'
import { table } from '../../output.ts'

/** A look at what de-identification makes of a series, before it is registered or released. */
export default class DeidPreviewCommand extends BaseCommand {
  static override summary = 'show what would leave of a series, and what is withheld, value by value'
  static override description = [
    'For administrators of the site: what is shown is patient data, and each look is in the audit log of the site. The series is read',
    'from its source as it is now, registered or not; nothing is stored. Shown are the lines of the header that leave with the voxels,',
    'the columns of the tables with the right that shows each, what holds the series, and every other element of one object, one that is',
    'held where there is one. A series is named by a row in quarantine, by its handle in a report of "register", or by --where as in "register".',
    'Pixels are not shown: look at them where the images are.',
  ].join(' ')
  static override examples = [
    '<%= config.bin %> <%= command.id %> QUARANTINE_ID',
    '<%= config.bin %> <%= command.id %> QUARANTINE_ID --json',
    '<%= config.bin %> <%= command.id %> --source SOURCE --where "series_uid = SERIES_UID"',
  ]
  static override args = {
    series: Args.string({
      ignoreStdin: true,
      description: 'id of a row in quarantine, or handle of a series',
    }),
  }
  static override flags = {
    source: Flags.string({
      helpValue: 'NAME',
      description: 'source to ask by --where, where the site has several',
    }),
    where: Flags.string({ helpValue: 'EXPR', description: 'the one series for which this holds' }),
  }

  async run(): Promise<DeidPreview> {
    const { args, flags } = await this.parse(DeidPreviewCommand)
    const { source, where } = flags
    const question = await questionOf(args.series, { source, where })
    const preview = await this.withSession(flags, async (session) => {
      const { previewSeries } = await import('@mdm/core/access/deid')
      return await previewSeries(session, question, this.signal)
    })
    this.print(pageOf(preview))
    return preview
  }
}

async function questionOf(
  named: string | undefined,
  { source, where }: { source?: string | undefined; where?: string | undefined },
): Promise<DeidQuestion> {
  if ((named === undefined) === (where === undefined))
    throw new MdmError('MDM_USAGE', 'one series is shown: name it, or give --where')
  if (named === undefined) return { source, where }
  const { QuarantineId, SeriesHandle } = await import('@mdm/core/wire/register')
  if (QuarantineId.safeParse(named).success) return { quarantine: named }
  if (SeriesHandle.safeParse(named).success) return { series: named }
  throw new MdmError(
    'MDM_USAGE',
    'a series is named by a row in quarantine (q-...) or by its handle (64 hex digits)',
  )
}

function pageOf(preview: DeidPreview): string {
  const { held, refused, volumes, volumeCount, withheld } = preview
  const one = (heading: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : [`${heading}\n${lines.map((line) => `  ${shown(line)}\n`).join('')}`]
  const holds = held.map(
    ({ reason, objects, released }) => `${objects} objects: ${reason}${released ? ' (released)' : ''}`,
  )
  return [
    `${preview.objects} objects at source ${preview.source}, ${volumeCount} volumes, handle ${preview.series}\n`,
    ...one('HELD FOR A PERSON', holds),
    ...one(
      'REFUSED, WHOEVER RELEASES IT',
      refused.map(({ code, reason, instances }) => `${instances} objects: ${reason} (${code})`),
    ),
    ...volumes.flatMap(({ label, profile, header, columns }, i) => [
      ...one(
        `LEAVES WITH THE VOXELS, volume ${i + 1}${label === '' ? '' : ` (${label})`}, profile ${profile}`,
        header,
      ),
      `LEAVES TO WHO HAS THE RIGHT ON THE TABLE, volume ${i + 1}\n${table(
        ['table', 'column', 'right', 'value'],
        columns.map((c) => [c.table, c.column, c.view, c.value]),
      )}`,
    ]),
    `NO PART OF THE HEADER, one object of ${preview.objects}${preview.complete ? '' : ', as far as it can be read'}\n${table(
      ['element', 'name', 'VR', 'value'],
      withheld.map((e) => [e.path, e.name, e.vr, e.value]),
    )}`,
  ].join('\n')
}

/** Control characters have no business on a terminal. */
function shown(line: string): string {
  return line.replace(/\p{Cc}/gu, '?')
}
