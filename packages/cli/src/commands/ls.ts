import type { VolumeRow } from '@mdm/core/wire/site'
import { Flags } from '@oclif/core'
import { BaseCommand, type IdentityFlags } from '../base-command.ts'
import { rowFormat } from '../flags.ts'
import { readableBytes } from '../output.ts'
import { formatRows } from '../row-output.ts'

/** The catalog as the caller may see it. */
export default class Ls extends BaseCommand {
  static override summary = 'list the volumes you may know of'
  static override description =
    'Modality and shape (columns x rows x slices) are shown where you may read them. With --instances: one GUID for each slice of a volume, which "get" takes as instance:GUID.'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --format guids',
    '<%= config.bin %> <%= command.id %> --instances GUID',
    '<%= config.bin %> <%= command.id %> --json',
  ]
  static override flags = {
    format: rowFormat(),
    instances: Flags.string({
      helpValue: 'NAME',
      description: 'the instance GUIDs of this volume: names for its slices, in order',
    }),
  }

  async run(): Promise<{ rows: VolumeRow[] | InstanceRow[] }> {
    const { flags } = await this.parse(Ls)
    if (flags.instances !== undefined) return await this.listInstances(flags.instances, flags)
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

  private async listInstances(text: string, flags: RowFlags): Promise<{ rows: InstanceRow[] }> {
    const rows = await this.withSession(flags, async (session) => {
      const [{ instancesOf }, { parseVolumeName }] = await Promise.all([
        import('@mdm/core/access/metadata'),
        import('@mdm/core/names'),
      ])
      const { instances } = await instancesOf(session, parseVolumeName(text))
      return instances.map((guid, slice) => ({ guid, slice }))
    })
    this.print(formatRows(rows, flags.format, { rows }))
    return { rows }
  }
}

/** A name for one slice: `mdm get instance:GUID`. */
interface InstanceRow {
  readonly guid: string
  readonly slice: number
}

type RowFlags = IdentityFlags & { readonly format: 'table' | 'json' | 'guids' | 'csv' }

function briefly(row: VolumeRow) {
  const { guid, version, modality, lfn } = row
  return { guid, version, modality, shape: row.shape?.join(' x '), size: readableBytes(row.bytes), lfn }
}

function flat(row: VolumeRow) {
  return { ...row, shape: row.shape?.join('x') }
}
