import { print, required, type Command } from './command.ts'

/** The operator of a key server accepts a site's roster. */
export const trustRoster: Command = {
  words: 'keys trust',
  usage: 'ROSTER --fingerprint F --config FILE',
  summary: "accept a site's roster by the fingerprint got out of band",
  example: 'keys trust example.2.jws --fingerprint sha256:... --config keys.json',
  options: { config: { type: 'string' }, fingerprint: { type: 'string' } },
  args: ['ROSTER'],
  async run(values, [roster]) {
    const { trustRoster } = await import('../keys.ts')
    const accepted = await trustRoster(required(values, 'config'), roster!, required(values, 'fingerprint'))
    print(JSON.stringify({ site: accepted.body.site, seq: accepted.body.seq }))
  },
}
