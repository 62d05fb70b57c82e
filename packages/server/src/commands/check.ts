import { exitCodeOf, findingLines, type Finding } from '@mdm/core/findings'
import { print, required, type Command, type Values } from './command.ts'

const options = { config: { type: 'string' }, json: { type: 'boolean' } } as const

/** What is wrong with a site. */
export const checkSite: Command = {
  words: 'check site',
  usage: '--config FILE [--user CERTIFICATE ...] [--json]',
  summary: 'say what is wrong with a site, and the command that mends it',
  example: 'check site --config site.json --user proxy.pem',
  options: { ...options, user: { type: 'string', multiple: true } },
  async run(values) {
    const { checkSite } = await import('../check/site.ts')
    const users = Array.isArray(values.user) ? values.user.map(String) : []
    report('site', await checkSite(required(values, 'config'), { users }), values)
  },
}

/** What is wrong with a key server. */
export const checkKeys: Command = {
  words: 'check keys',
  usage: '--config FILE [--json]',
  summary: 'say what is wrong with a key server, and the command that mends it',
  example: 'check keys --config keys.json',
  options,
  async run(values) {
    const { checkKeys } = await import('../check/keys.ts')
    report('keys', await checkKeys(required(values, 'config')), values)
  },
}

/** Exits 10 when something is a fault; warnings leave it 0. */
function report(kind: 'site' | 'keys', findings: readonly Finding[], values: Values): void {
  const count = (level: Finding['level']) => findings.filter((finding) => finding.level === level).length
  const [faults, warnings] = [count('fault'), count('warn')]
  if (values.json === true) print(JSON.stringify({ kind, faults, warnings, findings }))
  else {
    for (const line of findingLines(findings)) print(line)
    print(`${faults} faults, ${warnings} warnings`)
  }
  process.exitCode = exitCodeOf(findings)
}
