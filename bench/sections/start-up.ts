import { compare } from '../compare.ts'
import type { Section } from '../context.ts'
import { programRow } from '../rows.ts'

/** What a program of Node costs before it does anything, and what ours adds. */
export const startUpSection: Section = {
  name: 'start-up',
  async run(o) {
    const node = process.execPath
    const nothing = programRow('start-up: node -e 0', [node, '-e', '0'])
    const options = { pairs: o.pairs, runs: o.results.runs }
    for (const args of [['--version'], ['get', '--help']]) {
      const ours = programRow(`start-up: mdm ${args.join(' ')}`, [node, o.installed.cli, ...args])
      o.results.comparisons.push(await compare('start-up', ours, nothing, options))
    }
  },
}
