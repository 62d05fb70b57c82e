import { optional, print, required, type Command } from './command.ts'

/** A key server from nothing. */
export const initKeys: Command = {
  words: 'init keys',
  usage: '--dir DIR --url URL [--listen HOST:PORT] [--store URL] [--operator NAME] [--json]',
  summary: 'make a key server: its keys, keys.json, and server.json for the sites',
  example: "init keys --dir /var/lib/mdm-keys --url https://keys.lab.example:4431 --operator 'Lab 1'",
  options: {
    dir: { type: 'string' },
    url: { type: 'string' },
    listen: { type: 'string' },
    store: { type: 'string' },
    operator: { type: 'string' },
    json: { type: 'boolean' },
  },
  async run(values) {
    const [{ provisionKeyServer }, { listenOf, parseAddress }, { storeOf }] = await Promise.all([
      import('../provision/key-server.ts'),
      import('../provision/address.ts'),
      import('../provision/store-option.ts'),
    ])
    const address = parseAddress(required(values, 'url'))
    const operator = optional(values, 'operator')
    const made = await provisionKeyServer(required(values, 'dir'), {
      ...address,
      ...storeOf(optional(values, 'store')),
      ...(operator === undefined ? {} : { operator }),
      listen: listenOf(address, optional(values, 'listen')),
      comments: true,
    })
    const { dir, config, serverFile: server } = made
    const { id, url } = made.entry
    if (values.json === true) return print(JSON.stringify({ dir, config, server, id, url }))
    print(`key server ${id}`)
    print(`made ${config}`)
    print(
      `next: give ${server} to the site, and read it the id above by telephone; then, with the site's roster:`,
    )
    print(`  mdm-server keys trust ROSTER --fingerprint FINGERPRINT --config ${config}`)
    print(`  mdm-server keys --config ${config}`)
  },
}
