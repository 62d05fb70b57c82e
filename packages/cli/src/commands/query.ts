import { Args, Flags } from '@oclif/core'
import { BaseCommand } from '../base-command.ts'
import { rowFormat } from '../flags.ts'
import type { Cell } from '../output.ts'
import { formatRows } from '../row-output.ts'

/** Level 3 of the paper's client (4.3). */
export default class Query extends BaseCommand {
  static override summary = 'find volumes by their metadata'
  static override description = [
    'Comparisons (= != < <= > >=) of a column with a value, joined by "and". Put the whole expression in double quotes, so',
    'that the shell leaves < and > alone, and values with spaces or signs in single quotes inside. Columns that you may not',
    'read are withheld, and filtering on one is refused as if it did not exist.',
  ].join(' ')
  static override examples = [
    '<%= config.bin %> <%= command.id %> "modality=MR"',
    `<%= config.bin %> <%= command.id %> "modality=CT and columns>=64"`,
    `<%= config.bin %> <%= command.id %> "patient_name!='DOE^JANE'" --format csv --columns guid,patient_name,study_date`,
    '<%= config.bin %> <%= command.id %> "modality=MR" --format guids',
    '<%= config.bin %> <%= command.id %> modality=MR --limit 10 --json',
  ]
  static override args = {
    expression: Args.string({
      multiple: true,
      required: true,
      ignoreStdin: true,
      description: 'comparisons joined by "and"; several arguments are joined by spaces',
    }),
  }
  static override flags = {
    format: rowFormat(),
    columns: Flags.string({
      helpValue: 'A,B',
      description: 'only these columns, in this order; all that hold something when absent',
    }),
    limit: Flags.integer({ min: 1, max: 10_000, helpValue: 'N', description: 'at most so many rows' }),
  }

  async run(): Promise<{ rows: Record<string, Cell>[]; withheld: string[] }> {
    const { args, flags } = await this.parse(Query)
    const expression = [args.expression].flat().join(' ')
    const columns = flags.columns?.split(',').map((name) => name.trim())
    const found = await this.withSession(flags, async (session) => {
      const { query } = await import('@mdm/core/access/metadata')
      return await query(session, expression, {
        ...(flags.limit === undefined ? {} : { limit: flags.limit }),
        signal: this.signal,
      })
    })
    const answer = {
      ...found,
      rows: columns === undefined ? found.rows : found.rows.map((row) => pick(row, columns)),
    }
    this.print(formatRows(answer.rows, flags.format, answer))
    if (answer.withheld.length > 0 && !this.jsonEnabled()) this.talk(withheldNote(answer.withheld))
    return answer
  }
}

function pick(row: Record<string, Cell>, columns: readonly string[]): Record<string, Cell> {
  return Object.fromEntries(
    columns.filter((name) => row[name] !== undefined).map((name) => [name, row[name]]),
  )
}

/** How many columns of each table are not for this caller; --json has their names. */
function withheldNote(columns: readonly string[]): string {
  const tables = Map.groupBy(columns, (column) => column.split('.')[0]!)
  const counts = [...tables].map(([table, names]) => `${names.length} of ${table}`)
  return `withheld: ${counts.join(', ')} (--json has the names)`
}
