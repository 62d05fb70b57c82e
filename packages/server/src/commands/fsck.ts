import { EXIT_FAULTS, findingLines } from '@mdm/core/findings'
import type { Report } from '../fsck/findings.ts'
import { print, required, type Command } from './command.ts'

const options = { config: { type: 'string' }, json: { type: 'boolean' } } as const

/** Looks at all that a site keeps. */
export const fsckSite: Command = {
  words: 'fsck site',
  usage: '--config FILE [--offline] [--json]',
  summary: 'say what is wrong with what a site keeps; changes nothing',
  example: 'fsck site --config site.json',
  options: { ...options, offline: { type: 'boolean' } },
  async run(values) {
    const { checkSite } = await import('../fsck/site.ts')
    const report = await checkSite(required(values, 'config'), { offline: values.offline === true })
    tell('site', report, values.json === true)
  },
}

/** Looks at all that a key server keeps. */
export const fsckKeys: Command = {
  words: 'fsck keys',
  usage: '--config FILE [--json]',
  summary: 'say what is wrong with what a key server keeps; changes nothing',
  example: 'fsck keys --config keys.json',
  options,
  async run(values) {
    const { checkKeys } = await import('../fsck/keys.ts')
    tell('keys', await checkKeys(required(values, 'config')), values.json === true)
  },
}

/** Findings are an answer, not an error: exit 10 where there is one, whether it mends itself or not. */
function tell(kind: 'site' | 'keys', { findings, looked }: Report, json: boolean): void {
  const warnings = findings.filter(({ level }) => level === 'warn').length
  const faults = findings.length - warnings
  if (json) print(JSON.stringify({ kind, faults, warnings, findings, looked }))
  else {
    for (const line of findingLines(findings)) print(line)
    const counted = Object.entries(looked).map(([what, count]) => `${count} ${what}`)
    print(`looked at ${counted.join(', ')}: ${faults} faults, ${warnings} warnings`)
  }
  if (findings.length > 0) process.exitCode = EXIT_FAULTS
}
