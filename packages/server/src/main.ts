import { readFileSync } from 'node:fs'
import { parseArgs, type ParseArgsConfig } from 'node:util'
import { MdmError } from '@mdm/core/errors'
import { originOf } from './http/problem.ts'
import type { Serving } from './http/serve.ts'

const HELP = `mdm-server: the servers of the Medical Data Manager

  mdm-server site --config FILE                 the hospital's server
  mdm-server keys --config FILE                 a key server
  mdm-server keys trust ROSTER --fingerprint F --config FILE
                                                accept a site's roster by the fingerprint got out of band
  mdm-server provision grid --dir DIR [--site NAME] [--key-servers N] [--threshold M] [--source FOLDER] [--json]
                                                make CA, users, key servers, a site and its roster, all on this machine
  mdm-server phantom --dir DIR                  write made-up CT and MR series as DICOM
  mdm-server --help | --version

A server prints {"listening":"https://host:port"} on stdout when it is ready and stops on SIGTERM or SIGINT.
Exit codes are those of docs/errors.md.
`

/** Options of every command; a command takes those it names and refuses the others. */
const OPTIONS = {
  config: { type: 'string' },
  fingerprint: { type: 'string' },
  dir: { type: 'string' },
  site: { type: 'string' },
  'key-servers': { type: 'string' },
  threshold: { type: 'string' },
  source: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean' },
  version: { type: 'boolean' },
} as const satisfies ParseArgsConfig['options']

type Values = ReturnType<typeof parse>['values']

/**
 * The command line of the servers. Sets the process's exit code; never throws.
 *
 * @param argv arguments after the program's name
 */
export async function main(argv: readonly string[]): Promise<void> {
  try {
    await dispatch(argv)
  } catch (error) {
    const known =
      error instanceof MdmError ? error : new MdmError('MDM_INTERNAL', undefined, { cause: error })
    process.stderr.write(`${known.code}: ${known.message}\n${known.next}\n`)
    if (known.code === 'MDM_INTERNAL' && process.env.MDM_DEBUG !== undefined) console.error(error)
    process.exitCode = known.exitCode
  }
}

async function dispatch(argv: readonly string[]): Promise<void> {
  const { values, positionals } = parse(argv)
  if (values.help === true || argv.length === 0) return void process.stdout.write(HELP)
  if (values.version === true) return void process.stdout.write(`${version()}\n`)
  const command = positionals.join(' ')
  if (command === 'site') {
    const { startSite } = await import('./site.ts')
    return await runUntilSignal('mdm-site', () => startSite(required(values, 'config')))
  }
  if (command === 'keys') {
    const { startKeyServer } = await import('./keys.ts')
    return await runUntilSignal('mdm-keys', () => startKeyServer(required(values, 'config')))
  }
  if (positionals[0] === 'keys' && positionals[1] === 'trust' && positionals.length === 3)
    return await trust(values, positionals[2]!)
  if (command === 'provision grid') return await provision(values)
  if (command === 'phantom') {
    const { writePhantoms } = await import('./dicom/dcmjs/phantom.ts')
    return await writePhantoms(required(values, 'dir'))
  }
  throw new MdmError('MDM_USAGE', `"${command.slice(0, 80)}" is not a command of mdm-server`)
}

/**
 * Runs a server until SIGTERM or SIGINT; a second signal ends it at once.
 *
 * @param title what `ps` shows
 */
async function runUntilSignal(title: string, start: () => Promise<Serving>): Promise<void> {
  process.title = title
  process.on('uncaughtException', (error) => {
    // Only where it was: the text of an unknown error may hold anything.
    process.stderr.write(`${JSON.stringify({ event: 'crash', at: originOf(error) })}\n`)
    process.exit(1)
  })
  const signal = new Promise<void>((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => resolve())
  })
  const serving = await start()
  process.stdout.write(`${JSON.stringify({ listening: serving.url })}\n`)
  await signal
  await serving.stop()
}

async function trust(values: Values, roster: string): Promise<void> {
  const { trustRoster } = await import('./keys.ts')
  const accepted = await trustRoster(required(values, 'config'), roster, required(values, 'fingerprint'))
  process.stdout.write(`${JSON.stringify({ site: accepted.body.site, seq: accepted.body.seq })}\n`)
}

async function provision(values: Values): Promise<void> {
  const { provisionGrid } = await import('./provision/grid.ts')
  const grid = await provisionGrid(required(values, 'dir'), {
    site: values.site ?? 'demo',
    keyServers: whole(values['key-servers'] ?? '3'),
    threshold: whole(values.threshold ?? '2'),
    ...(values.source === undefined ? {} : { source: values.source }),
  })
  if (values.json === true) return void process.stdout.write(`${JSON.stringify(grid)}\n`)
  process.stdout.write(`site ${grid.site.api}, configured by ${grid.site.config}\n`)
  for (const server of grid.keyServers)
    process.stdout.write(`key server ${server.url}, configured by ${server.config}\n`)
  for (const [name, user] of Object.entries(grid.users))
    process.stdout.write(`user ${name}: MDM_CONFIG=${user.config}\n`)
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true, strict: true })
  } catch (cause) {
    throw new MdmError('MDM_USAGE', cause instanceof Error ? cause.message : undefined, { cause })
  }
}

function required(values: Values, name: 'config' | 'dir' | 'fingerprint'): string {
  const value = values[name]
  if (value === undefined || value === '') throw new MdmError('MDM_USAGE', `--${name} is missing`)
  return value
}

function whole(text: string): number {
  if (!/^[0-9]{1,3}$/.test(text)) throw new MdmError('MDM_USAGE', 'a number of servers is expected')
  return Number(text)
}

function version(): string {
  const file = new URL('../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
