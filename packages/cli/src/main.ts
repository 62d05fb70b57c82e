import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { run, settings } from '@oclif/core'
import { watchSignals } from './interrupt.ts'
import { BROKEN_PIPE, formatNote, reportOf } from './report-error.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Runs one command line of `mdm` and ends the process with its exit code (docs/errors.md). */
export async function main(argv: string[]): Promise<void> {
  watchSignals()
  process.stdout.on('error', stopOnBrokenPipe)
  process.stderr.on('error', stopOnBrokenPipe)
  const exitCode = await execute(argv)
  // A stopped key server may hold a socket open for seconds; the answer is out, so nothing is waited for.
  process.stdout.write('', () => process.exit(exitCode))
}

async function execute(argv: string[]): Promise<number> {
  // oclif would look for a compiler to map dist/ to src/; Node strips the types by itself.
  settings.enableAutoTranspile = false
  try {
    await run(argv, { root, pjson: packageJson() })
    return Number(process.exitCode ?? 0)
  } catch (error) {
    const { exitCode, note } = reportOf(error)
    if (note !== undefined && wantsJson(argv))
      process.stdout.write(`${JSON.stringify({ error: note }, null, 2)}\n`)
    else if (note !== undefined) process.stderr.write(formatNote(note))
    if (note?.code === 'MDM_INTERNAL' && process.env['DEBUG'] !== undefined) console.error(error)
    return exitCode
  }
}

/** The package's own description, with the commands beside this file: src/ in a checkout, dist/ when installed. */
function packageJson() {
  const pjson = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  const folder = import.meta.url.endsWith('.ts') ? 'src' : 'dist'
  return { ...pjson, oclif: { ...pjson.oclif, commands: `./${folder}/commands` } }
}

function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--')
  return (end === -1 ? argv : argv.slice(0, end)).includes('--json')
}

function stopOnBrokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(BROKEN_PIPE)
  throw error
}
