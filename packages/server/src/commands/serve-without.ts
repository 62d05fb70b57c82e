import { print, required, type Command } from './command.ts'

/** The operator of a key server does not wait for one that is lost. */
export const serveWithout: Command = {
  words: 'keys serve-without',
  usage: 'WITNESS --reason TEXT --config FILE',
  summary: 'go on once without the lists of "site" or of the key server with this id',
  example: "keys serve-without site --reason 'the site was given up' --config keys.json",
  options: { config: { type: 'string' }, reason: { type: 'string' } },
  args: ['WITNESS'],
  async run(values, [witness]) {
    const { serveWithoutWitness } = await import('../keys.ts')
    const o = { witness: witness!, reason: required(values, 'reason') }
    print(JSON.stringify({ witness: await serveWithoutWitness(required(values, 'config'), o) }))
  },
}
