import { BaseCommand } from '../../base-command.ts'
import { Flags } from '@oclif/core'
import { days } from '../../flags.ts'
import { claimFolder, writePair, type WrittenPair } from '../../ca-folder.ts'

interface NewCa extends WrittenPair {
  readonly dn: string
}

/** A certificate authority for small sites; a roster must name it before anybody is let in. */
export default class CaInit extends BaseCommand {
  static override summary = 'make a small certificate authority for users'
  static override description = [
    'Writes ca.pem and ca.key (0600). Whoever holds ca.key can make users, so keep it away from every server: a folder that',
    "holds a server's configuration is refused. Put ca.pem into the site's roster.",
  ].join(' ')
  static override examples = [
    '<%= config.bin %> <%= command.id %> --dir my-ca --name "CN=Lab CA,O=Example Hospital"',
  ]
  static override flags = {
    dir: Flags.string({
      required: true,
      helpValue: 'DIR',
      description: 'folder for the authority; made when absent',
    }),
    name: Flags.string({ required: true, helpValue: 'DN', description: 'its distinguished name' }),
    days: days({ default: 3650, description: 'how long it is valid' }),
  }

  async run(): Promise<NewCa> {
    const { flags } = await this.parse(CaInit)
    const { parseDn } = await import('@mdm/core/identity/dn')
    parseDn(flags.name)
    await claimFolder(flags.dir, ['ca.pem', 'ca.key'])
    const { createCa } = await import('@mdm/core/identity/ca')
    const pair = await writePair(flags.dir, 'ca', await createCa({ dn: flags.name, days: flags.days }))
    this.print(`${pair.certificate}\n${pair.key}`)
    return { ...pair, dn: flags.name }
  }
}
