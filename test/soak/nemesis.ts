/**
 * A grid of real processes under load while something befalls it every few seconds:
 * `node --conditions=@mdm/source test/soak/nemesis.ts [SECONDS] [--postgres] [--seed N] [--calm]`. With
 * `--calm` nothing befalls it: servers that live for the whole run show whether their memory stays flat.
 */
import { parseArgs } from 'node:util'
import { runNemesis } from './nemesis/run.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    postgres: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    calm: { type: 'boolean', default: false },
  },
})
const seconds = Number(positionals[0] ?? 1_800)
const begun = performance.now()
const clock = () => `${Math.round((performance.now() - begun) / 1000)} s`.padStart(7)
const report = await runNemesis({
  ...{ seconds, seed: Number(values.seed), postgres: values.postgres, calm: values.calm },
  tell: (line) => console.error(`${clock()}  ${line}`),
})
const table = (of: Readonly<Record<string, number>>) => {
  for (const [name, count] of Object.entries(of).toSorted())
    console.log(`  ${name.padEnd(44)}${String(count).padStart(7)}`)
}
console.log(
  `${seconds} s, seed ${values.seed}, ${values.postgres ? 'PostgreSQL' : 'SQLite'}: ${report.volumes} volumes at the end`,
)
console.log('strikes')
table(report.strikes)
console.log('what clients did, and the codes they saw')
table(report.counts)
console.log('medians of the first and the last third: resident MiB, file descriptors')
for (const { server, rssMib, fds } of report.trends)
  console.log(`  ${server.padEnd(20)}${rssMib.join(' -> ').padStart(14)}${fds.join(' -> ').padStart(14)}`)
console.log(`${report.violations.length} violations`)
for (const violation of report.violations) console.log(`  ${violation}`)
process.exitCode = report.violations.length > 0 ? 1 : 0
