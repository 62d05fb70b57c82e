import type { VolumeRow } from '@mdm/core/wire/site'
import { BaseCommand } from '../base-command.ts'
import { rowFormat } from '../flags.ts'
import { readableBytes } from '../output.ts'
import { formatRows } from '../row-output.ts'

/** The catalog as the caller may see it. */
export default class Ls extends BaseCommand {
  static override summary = 'list the volumes you may know of'
  static override description =
    'Modality and shape (columns x rows x slices) are shown where you may read them.'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --format guids',
    '<%= config.bin %> <%= command.id %> --json',
  ]
  static override flags = { format: rowFormat() }

  async run(): Promise<{ rows: VolumeRow[] }> {
    const { flags } = await this.parse(Ls)
    const rows = await this.withSession(flags, async (session) => {
      const { list } = await import('@mdm/core/access/metadata')
      const found: VolumeRow[] = []
      for await (const row of list(session)) found.push(row)
      return found
    })
    const short = flags.format === 'table'
    this.print(
      formatRows(
        rows.map((row) => (short ? briefly(row) : flat(row))),
        flags.format,
        { rows },
      ),
    )
    return { rows }
  }
}

function briefly(row: VolumeRow) {
  const { guid, version, modality, lfn } = row
  return { guid, version, modality, shape: row.shape?.join(' x '), size: readableBytes(row.bytes), lfn }
}

function flat(row: VolumeRow) {
  return { ...row, shape: row.shape?.join('x') }
}
