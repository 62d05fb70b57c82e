import { originOf } from '../http/problem.ts'
import type { Running } from '../operations.ts'
import { print, required, type Command } from './command.ts'

const STOPPING = ['SIGTERM', 'SIGINT'] as const
const options = { config: { type: 'string' } } as const

/** The hospital's server. */
export const runSite: Command = {
  words: 'site',
  usage: '--config FILE',
  summary: "the hospital's server",
  example: 'site --config /var/lib/mdm-site/site.json',
  options,
  async run(values) {
    const { startSite } = await import('../site.ts')
    await runUntilSignal('mdm-site', () => startSite(required(values, 'config')))
  },
}

/** A key server. */
export const runKeys: Command = {
  words: 'keys',
  usage: '--config FILE',
  summary: 'a key server',
  example: 'keys --config /var/lib/mdm-keys/keys.json',
  options,
  async run(values) {
    const { startKeyServer } = await import('../keys.ts')
    await runUntilSignal('mdm-keys', () => startKeyServer(required(values, 'config')))
  },
}

/**
 * Runs a server until SIGTERM or SIGINT; a second signal ends it at once. SIGHUP makes it read its log level again.
 *
 * @param title what `ps` shows
 */
async function runUntilSignal(title: string, start: () => Promise<Running>): Promise<void> {
  process.title = title
  process.on('uncaughtException', (error) => {
    // Only where it was: the text of an unknown error may hold anything.
    process.stderr.write(`${JSON.stringify({ event: 'crash', at: originOf(error) })}\n`)
    process.exit(1)
  })
  const signal = new Promise<void>((resolve) => {
    for (const name of STOPPING) process.on(name, () => resolve())
  })
  // Before there is anything to read again, SIGHUP must not end the process.
  let reload = async (): Promise<void> => undefined
  process.on('SIGHUP', () => void reload())
  const serving = await start()
  reload = serving.reload
  const { url: listening, metricsUrl: metrics } = serving
  print(JSON.stringify({ listening, ...(metrics === undefined ? {} : { metrics }) }))
  await signal
  for (const name of STOPPING) process.removeAllListeners(name)
  await serving.stop()
}
