import { originOf } from '../http/problem.ts'
import type { Serving } from '../http/serve.ts'
import { print, required, type Command } from './command.ts'

const options = { config: { type: 'string' } } as const

/** The hospital's server. */
export const runSite: Command = {
  words: 'site',
  usage: '--config FILE',
  summary: "the hospital's server",
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
  options,
  async run(values) {
    const { startKeyServer } = await import('../keys.ts')
    await runUntilSignal('mdm-keys', () => startKeyServer(required(values, 'config')))
  },
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
  print(JSON.stringify({ listening: serving.url }))
  await signal
  await serving.stop()
}
