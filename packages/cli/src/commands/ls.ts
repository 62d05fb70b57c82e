import type { ChangeRow } from '@mdm/core/wire/changes'
import { MdmError } from '@mdm/core/errors'
import type { SetRow } from '@mdm/core/wire/sets'
import type { VolumeRow } from '@mdm/core/wire/site'
import { Flags } from '@oclif/core'
import { BaseCommand, type IdentityFlags } from '../base-command.ts'
import { parseSince, rowFormat } from '../flags.ts'
import { readableBytes } from '../output.ts'
import { formatRows } from '../row-output.ts'

/** The catalog as the caller may see it. */
export default class Ls extends BaseCommand {
  static override summary = 'list the volumes you may know of'
  static override description =
    'Modality and shape (columns x rows x slices) are shown where you may read them; "gone" says since when the source no longer has a volume. With --sets: the sets of volumes that belong together, such as echoes or times, which "get" writes as one file. With --instances: one GUID for each slice of a volume, which "get" takes as instance:GUID. With --changed: what was registered, got a new version, went or came back, oldest first, and a cursor from which --since goes on the next time.'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --format guids',
    '<%= config.bin %> <%= command.id %> --sets',
    '<%= config.bin %> <%= command.id %> --instances GUID',
    '<%= config.bin %> <%= command.id %> --changed --since 7d',
    '<%= config.bin %> <%= command.id %> --changed --json',
    '<%= config.bin %> <%= command.id %> --json',
  ]
  static override flags = {
    format: rowFormat(),
    sets: Flags.boolean({
      exclusive: ['instances', 'changed'],
      description: 'the sets of which you may know every volume, instead of the volumes',
    }),
    changed: Flags.boolean({
      exclusive: ['instances'],
      description: 'what happened to volumes, oldest first, instead of the volumes',
    }),
    since: Flags.string({
      dependsOn: ['changed'],
      helpValue: '7d|DATE|CURSOR',
      description: 'from days or hours ago, a date, or the cursor of an earlier --changed',
    }),
    instances: Flags.string({
      helpValue: 'NAME',
      description: 'the instance GUIDs of this volume: names for its slices, in order',
    }),
  }

  async run(): Promise<{ rows: VolumeRow[] | SetRow[] | InstanceRow[] | ChangeRow[]; cursor?: string }> {
    const { flags } = await this.parse(Ls)
    if (flags.changed) return await this.listChanges(flags.since, flags)
    if (flags.sets) return await this.listSets(flags)
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

  private async listSets(flags: RowFlags): Promise<{ rows: SetRow[] }> {
    const rows = await this.withSession(flags, async (session) => {
      const { sets } = await import('@mdm/core/access/sets')
      const found: SetRow[] = []
      for await (const row of sets(session, this.signal)) found.push(row)
      return found
    })
    const cells = rows.map(({ values, unit, realValues: _, ...row }) => ({
      ...row,
      values: values === undefined ? undefined : `${values.join(' ')}${unit === undefined ? '' : ` ${unit}`}`,
      shape: row.shape?.join('x'),
    }))
    this.print(formatRows(cells, flags.format, { rows }))
    return { rows }
  }

  private async listChanges(
    since: string | undefined,
    flags: RowFlags,
  ): Promise<{ rows: ChangeRow[]; cursor: string }> {
    const start = since === undefined ? {} : await parseSince(since, new Date())
    const rows: ChangeRow[] = []
    let cursor: string | undefined
    await this.withSession(flags, async (session) => {
      const { changes } = await import('@mdm/core/access/metadata')
      for await (const page of changes(session, { ...start, signal: this.signal })) {
        rows.push(...page.rows)
        cursor = page.cursor
      }
    })
    if (cursor === undefined) throw new MdmError('MDM_BAD_REQUEST', 'the site sent no cursor')
    this.print(
      formatRows(
        rows.map(({ time, change, guid, version, lfn }) => ({ time, change, guid, version, lfn })),
        flags.format,
        { rows, cursor },
      ),
    )
    if (!this.jsonEnabled()) this.talk(`later: mdm ls --changed --since ${cursor}`)
    return { rows, cursor }
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
  const { guid, version, modality, lfn, goneSince } = row
  const shape = row.shape?.join(' x ')
  const gone = goneSince === undefined ? undefined : `since ${goneSince.slice(0, 10)}`
  return { guid, version, modality, shape, size: readableBytes(row.bytes), lfn, gone }
}

function flat(row: VolumeRow) {
  return { ...row, shape: row.shape?.join('x') }
}
