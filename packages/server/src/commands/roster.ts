import { MdmError } from '@mdm/core/errors'
import { optional, print, required, type Command, type Values } from './command.ts'

/** The roster of a site after the first. */
export const roster: Command = {
  words: 'roster',
  usage: `--config FILE [--ca FILE ...] [--name-space DN ...] [--administrator FILE ...]
      [--key-server FILE ...] [--threshold M] [--drop NAME ...] [--json]`,
  summary: 'sign the next roster of a site: CAs, administrators and key servers that come or leave',
  example: 'roster --config site.json --ca grid-ca.pem --name-space DC=example,DC=org',
  options: {
    config: { type: 'string' },
    ca: { type: 'string', multiple: true },
    'name-space': { type: 'string', multiple: true },
    administrator: { type: 'string', multiple: true },
    'key-server': { type: 'string', multiple: true },
    threshold: { type: 'string' },
    drop: { type: 'string', multiple: true },
    json: { type: 'boolean' },
  },
  async run(values) {
    const { nextRoster } = await import('../provision/next-roster.ts')
    const threshold = optional(values, 'threshold')
    if (threshold !== undefined && !/^[0-9]{1,2}$/.test(threshold))
      throw new MdmError('MDM_USAGE', '--threshold is not a number of servers')
    const made = await nextRoster(required(values, 'config'), {
      cas: several(values, 'ca'),
      nameSpaces: several(values, 'name-space'),
      administrators: several(values, 'administrator'),
      keyServers: several(values, 'key-server'),
      drop: several(values, 'drop'),
      ...(threshold === undefined ? {} : { threshold: Number(threshold) }),
    })
    if (values.json === true) return print(JSON.stringify(made))
    print(`roster ${made.seq} ${made.roster}`)
    print(`fingerprint ${made.fingerprint}`)
    print('next: give it to everybody, with the fingerprint by telephone. Each key server, each user:')
    print('  mdm-server keys trust ROSTER --fingerprint FINGERPRINT --config keys.json')
    print('  mdm config add ROSTER --fingerprint FINGERPRINT')
  },
}

function several(values: Values, name: string): string[] {
  const given = values[name]
  return Array.isArray(given) ? given.map(String) : []
}
