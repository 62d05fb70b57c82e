import { readFileSync } from 'node:fs'
import { MdmError } from '@mdm/core/errors'
import { parseCommand, print, type Command } from './commands/command.ts'
import { COMMANDS } from './commands/index.ts'

/** Where the summaries begin. */
const COLUMN = 48

/**
 * The command line of the servers. Sets the process's exit code; never throws.
 *
 * @param argv arguments after the program's name
 */
export async function main(argv: readonly string[]): Promise<void> {
  // A reader that has enough, such as head, ends the command as it ends any program: 128 + SIGPIPE.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(141)
    throw error
  })
  try {
    await dispatch(argv)
  } catch (error) {
    const known =
      error instanceof MdmError ? error : new MdmError('MDM_INTERNAL', undefined, { cause: error })
    process.stderr.write(`${known.code}: ${known.message}\n${nextOf(known, argv)}\n`)
    if (known.code === 'MDM_INTERNAL' && process.env.MDM_DEBUG !== undefined) console.error(error)
    process.exitCode = known.exitCode
  }
}

async function dispatch(argv: readonly string[]): Promise<void> {
  if (argv.length === 0 || argv.includes('--help')) return print(helpFor(argv))
  if (argv[0] === '--version') return print(version())
  const { command, values, args } = parseCommand(COMMANDS, argv)
  await command.run(values, args)
}

/** What the table says is for users of `mdm`; here it is a server's configuration that is wrong. */
function nextOf(error: MdmError, [command = '']: readonly string[]): string {
  return error.code === 'MDM_CONFIG' && (command === 'site' || command === 'keys')
    ? `run "mdm-server check ${command} --config FILE" and do what it says`
    : error.next
}

/** Of the commands whose words were typed, with an example for each; of all when no word was. */
function helpFor(argv: readonly string[]): string {
  const words = argv.filter((word) => !word.startsWith('-'))
  const meant = COMMANDS.filter((command) =>
    words.every((word, i) => i >= command.words.split(' ').length || command.words.split(' ')[i] === word),
  )
  if (words.length === 0 || meant.length === 0) return help()
  const examples = meant.map(({ example }) => `  $ mdm-server ${example}`)
  return `${meant.map(helpOf).join('\n')}\n\nexamples:\n${examples.join('\n')}`
}

function help(): string {
  return `mdm-server: the servers of the Medical Data Manager

${COMMANDS.map(helpOf).join('\n')}
  mdm-server --help | --version

A server prints {"listening":"https://host:port"} on stdout when it is ready and stops on SIGTERM or SIGINT.
Exit codes are those of docs/errors.md. "mdm-server COMMAND --help" has an example of it.`
}

function helpOf({ words, usage, summary }: Command): string {
  const line = `  mdm-server ${words} ${usage}`
  return line.length < COLUMN
    ? `${line.padEnd(COLUMN)}${summary}`
    : `${line}\n${' '.repeat(COLUMN)}${summary}`
}

function version(): string {
  const file = new URL('../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
