import { MdmError } from '@mdm/core/errors'
import { optional, print, required, type Command, type Values } from './command.ts'

/** A site from nothing but what its operator gathered. */
export const initSite: Command = {
  words: 'init site',
  usage: `--dir DIR --site NAME --url URL --source FOLDER --key-server FILE ... --ca FILE --administrator FILE
      [--threshold M] [--name-space DN] [--listen HOST:PORT] [--srm-port PORT] [--store URL] [--json]`,
  summary: 'make a site: its keys, site.json, and the roster that all others trust',
  example:
    'init site --dir /var/lib/mdm-site --site example --url https://mdm.hospital.example:4430 --source /srv/dicom --key-server keys-1.json --key-server keys-2.json --key-server keys-3.json --ca ca.pem --administrator ada.pem --srm-port 8443',
  options: {
    dir: { type: 'string' },
    site: { type: 'string' },
    url: { type: 'string' },
    source: { type: 'string' },
    'key-server': { type: 'string', multiple: true },
    threshold: { type: 'string' },
    ca: { type: 'string', multiple: true },
    'name-space': { type: 'string', multiple: true },
    administrator: { type: 'string', multiple: true },
    listen: { type: 'string' },
    'srm-port': { type: 'string' },
    store: { type: 'string' },
    json: { type: 'boolean' },
  },
  async run(values) {
    const [{ initSite }, { listenOf, parseAddress }, { storeOf }] = await Promise.all([
      import('../provision/init-site.ts'),
      import('../provision/address.ts'),
      import('../provision/store-option.ts'),
    ])
    const address = parseAddress(required(values, 'url'))
    const keyServers = atLeastOne(values, 'key-server')
    const made = await initSite(required(values, 'dir'), {
      ...address,
      ...storeOf(optional(values, 'store')),
      ...srmPortOf(optional(values, 'srm-port')),
      site: required(values, 'site'),
      listen: listenOf(address, optional(values, 'listen')),
      source: required(values, 'source'),
      keyServers,
      threshold: thresholdOf(optional(values, 'threshold'), keyServers.length),
      cas: atLeastOne(values, 'ca'),
      nameSpaces: several(values, 'name-space'),
      administrators: atLeastOne(values, 'administrator'),
    })
    const { dir, config, api, rosterFile: roster, fingerprint } = made
    if (values.json === true)
      return print(JSON.stringify({ dir, config, api, roster, fingerprint, keyServers: made.keyServers }))
    print(`made ${config}`)
    for (const { id, url } of made.keyServers) print(`key server ${id} at ${url}`)
    print(`roster ${roster}`)
    print(`fingerprint ${fingerprint}`)
    print(
      'next: compare the ids above with the operators of the key servers by telephone, give everybody the roster,',
    )
    print('and read them the fingerprint by telephone. Each key server, each user, then this site:')
    print(`  mdm-server keys trust ROSTER --fingerprint FINGERPRINT --config keys.json`)
    print(`  mdm config add ROSTER --fingerprint FINGERPRINT`)
    print(`  mdm-server site --config ${config}`)
  },
}

function several(values: Values, name: string): string[] {
  const given = values[name]
  return Array.isArray(given) ? given.map(String) : []
}

function atLeastOne(values: Values, name: string): string[] {
  const given = several(values, name)
  if (given.length === 0) throw new MdmError('MDM_USAGE', `--${name} is missing`)
  return given
}

function srmPortOf(text: string | undefined): { srmPort?: number } {
  if (text === undefined) return {}
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0
  if (port < 1 || port > 65_535) throw new MdmError('MDM_USAGE', '--srm-port is not a port')
  return { srmPort: port }
}

/** More than half unless told: 2 of 3, 3 of 5. */
function thresholdOf(text: string | undefined, servers: number): number {
  if (text === undefined) return Math.floor(servers / 2) + 1
  if (!/^[0-9]{1,2}$/.test(text)) throw new MdmError('MDM_USAGE', '--threshold is not a number of servers')
  return Number(text)
}
