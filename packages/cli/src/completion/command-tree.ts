/** What a shell offers in one place: words of a list, files, or nothing, since GUIDs are not completed. */
export type Values = readonly string[] | 'files' | 'nothing'

/** A flag as completion needs it. */
export interface FlagInfo {
  /** as typed: --output, -o */
  readonly spellings: readonly string[]
  readonly description: string
  /** undefined for a flag without a value */
  readonly values: Values | undefined
}

/** A command or topic as completion needs it. */
export interface CommandNode {
  /** as typed: "acl grant"; the empty text for `mdm` itself */
  readonly id: string
  readonly summary: string
  readonly flags: readonly FlagInfo[]
  /** what stands where no flag does */
  readonly values: Values
  /** the last word of each command and topic below */
  readonly below: readonly string[]
}

/** What oclif knows of a command, as far as it is used here. */
export interface KnownCommand {
  readonly id: string
  readonly summary?: string | undefined
  readonly hidden?: boolean | undefined
  readonly flags: Readonly<Record<string, KnownFlag>>
  readonly args: Readonly<Record<string, KnownArgument>>
}

interface KnownArgument {
  readonly name: string
  readonly options?: readonly string[] | undefined
}

interface KnownFlag {
  readonly name: string
  readonly char?: string | undefined
  readonly type: string
  readonly description?: string | undefined
  readonly helpValue?: string | readonly string[] | undefined
  readonly options?: readonly string[] | undefined
}

/** Arguments that are files; all others are names of volumes, which only the site knows. */
const FILE_ARGUMENTS = new Set(['file', 'roster'])

/** The tree of commands, each with what may follow; in order of id. */
export function commandTree(
  commands: readonly KnownCommand[],
  topics: readonly { readonly name: string; readonly description?: string | undefined }[],
): CommandNode[] {
  const shown = commands.filter(({ hidden }) => hidden !== true)
  const nodes = new Map<string, Omit<CommandNode, 'below'>>()
  const empty = { flags: [], values: 'nothing' } as const
  for (const { id } of shown) {
    const words = typed(id).split(' ')
    for (let n = 0; n < words.length; n++) {
      const topic = words.slice(0, n).join(' ')
      const about = topics.find(({ name }) => typed(name) === topic)
      nodes.set(topic, { id: topic, summary: about?.description ?? '', ...empty })
    }
  }
  for (const command of shown) {
    const { summary = '', flags, args } = command
    const id = typed(command.id)
    nodes.set(id, {
      ...{ id, summary, values: valuesOf(Object.values(args)) },
      flags: [...Object.values(flags).map(flagOf), HELP],
    })
  }
  const ids = [...nodes.keys()].toSorted()
  return ids.map((id) => ({ ...nodes.get(id)!, below: ids.flatMap((other) => lastWord(id, other)) }))
}

const HELP: FlagInfo = { spellings: ['--help'], description: 'what the command does', values: undefined }

function valuesOf(args: readonly KnownArgument[]): Values {
  const listed = args.find(({ options }) => options !== undefined)
  if (listed !== undefined) return listed.options!
  return args.some(({ name }) => FILE_ARGUMENTS.has(name)) ? 'files' : 'nothing'
}

/** oclif writes acl:grant, people type a space. */
function typed(id: string): string {
  return id.replaceAll(':', ' ')
}

function lastWord(parent: string, id: string): string[] {
  const start = parent === '' ? '' : `${parent} `
  const rest = id.slice(start.length)
  return id.startsWith(start) && rest !== '' && !rest.includes(' ') ? [rest] : []
}

function flagOf({ name, char, type, description = '', helpValue, options }: KnownFlag): FlagInfo {
  const spellings = [`--${name}`, ...(char === undefined ? [] : [`-${char}`])]
  const help = [helpValue ?? []].flat().join(' ')
  const values = type === 'boolean' ? undefined : (options ?? (/FILE|DIR/.test(help) ? 'files' : 'nothing'))
  return { spellings, description, values }
}

/** A word that no shell of the three looks into. */
export function quoted(text: string): string {
  return `'${text.replaceAll('\n', ' ').replaceAll("'", `'\\''`)}'`
}
