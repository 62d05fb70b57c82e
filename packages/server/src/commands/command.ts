import { parseArgs, type ParseArgsOptionsConfig } from 'node:util'
import { MdmError } from '@mdm/core/errors'

/** Values of the options a command declares: text, true for a switch, or several of one. */
export type Values = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>

/** One command of `mdm-server`; each has a file of its own and one line in index.ts. */
export interface Command {
  /** what is typed after `mdm-server`: `keys trust` */
  readonly words: string
  /** what follows the words, as help shows it: `ROSTER --config FILE` */
  readonly usage: string
  readonly summary: string
  /** one line as it may be typed, after `mdm-server` */
  readonly example: string
  /** options it takes; any other is refused */
  readonly options: ParseArgsOptionsConfig
  /** arguments without a name, by what they stand for; all are required */
  readonly args?: readonly string[]
  /** Does it. What it throws becomes the exit code; a report of findings sets process.exitCode itself. */
  run(values: Values, args: readonly string[]): Promise<void>
}

/**
 * Finds the command with the most words in common and parses the rest of the line for it.
 *
 * @throws MDM_USAGE
 */
export function parseCommand(
  commands: readonly Command[],
  argv: readonly string[],
): { command: Command; values: Values; args: readonly string[] } {
  const fits = (command: Command) => command.words.split(' ').every((word, i) => argv[i] === word)
  const [command] = commands.filter(fits).toSorted((a, b) => b.words.length - a.words.length)
  if (command === undefined)
    throw new MdmError('MDM_USAGE', `"${spoken(argv)}" is not a command of mdm-server`)
  const rest = argv.slice(command.words.split(' ').length)
  const { values, positionals } = parse(rest, command.options)
  const wanted = command.args ?? []
  if (positionals.length < wanted.length)
    throw new MdmError('MDM_USAGE', `${wanted[positionals.length]} is missing`)
  if (positionals.length > wanted.length)
    throw new MdmError('MDM_USAGE', `"${spoken(argv)}" is not a command of mdm-server`)
  return { command, values, args: positionals }
}

/** The text of an option that must be there. @throws MDM_USAGE */
export function required(values: Values, name: string): string {
  const value = values[name]
  if (typeof value !== 'string' || value === '') throw new MdmError('MDM_USAGE', `--${name} is missing`)
  return value
}

/** The text of an option, if it is there. */
export function optional(values: Values, name: string): string | undefined {
  const value = values[name]
  return typeof value === 'string' ? value : undefined
}

/** The kind of server that an argument names. @throws MDM_USAGE */
export function sideOf(kind: string): 'site' | 'keys' {
  if (kind !== 'site' && kind !== 'keys') throw new MdmError('MDM_USAGE', 'say "site" or "keys"')
  return kind
}

/** Writes one line of data on stdout. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

function parse(args: readonly string[], options: ParseArgsOptionsConfig) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
  } catch (cause) {
    throw new MdmError('MDM_USAGE', cause instanceof Error ? cause.message : undefined, { cause })
  }
}

function spoken(argv: readonly string[]): string {
  return argv
    .filter((word) => !word.startsWith('-'))
    .join(' ')
    .slice(0, 80)
}
