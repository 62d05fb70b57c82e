import { MdmError } from '@mdm/core/errors'
import { optional, print, required, type Command } from './command.ts'

/** A whole grid on one machine, for trials and tests. */
export const provisionGrid: Command = {
  words: 'provision grid',
  usage: '--dir DIR [--site NAME] [--key-servers N] [--threshold M] [--source FOLDER] [--live] [--json]',
  summary: 'make CA, users, key servers, a site and its roster, all on this machine',
  example: 'provision grid --dir grid --key-servers 3',
  options: {
    dir: { type: 'string' },
    site: { type: 'string' },
    'key-servers': { type: 'string' },
    threshold: { type: 'string' },
    source: { type: 'string' },
    live: { type: 'boolean' },
    json: { type: 'boolean' },
  },
  async run(values) {
    const { provisionGrid } = await import('../provision/grid.ts')
    const source = optional(values, 'source')
    const grid = await provisionGrid(required(values, 'dir'), {
      site: optional(values, 'site') ?? 'demo',
      keyServers: whole(optional(values, 'key-servers') ?? '3'),
      threshold: whole(optional(values, 'threshold') ?? '2'),
      live: values.live === true,
      ...(source === undefined ? {} : { source }),
    })
    if (values.json === true) return print(JSON.stringify(grid))
    print(`site ${grid.site.api}, configured by ${grid.site.config}`)
    for (const server of grid.keyServers) print(`key server ${server.url}, configured by ${server.config}`)
    for (const [name, user] of Object.entries(grid.users)) print(`user ${name}: MDM_CONFIG=${user.config}`)
  },
}

function whole(text: string): number {
  if (!/^[0-9]{1,3}$/.test(text)) throw new MdmError('MDM_USAGE', 'a number of servers is expected')
  return Number(text)
}
