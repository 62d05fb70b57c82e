import { Flags } from '@oclif/core'
import { BaseCommand } from '../../base-command.ts'
import { readAuthority, writeList, type WrittenList } from '../../ca-list.ts'
import { days } from '../../flags.ts'

/** A fresh list with what the last one holds: servers need one before the last ends. */
export default class CaCrl extends BaseCommand {
  static override summary = 'write the list of revoked certificates anew'
  static override description = [
    'Writes ca.crl, with what was revoked so far and a new end. Copy it into the folder "crls" of the site and of each key server',
    'before the last one ends: after that they let in nobody of this authority.',
  ].join(' ')
  static override examples = ['<%= config.bin %> <%= command.id %> --ca CA_DIR --days 30']
  static override flags = {
    ca: Flags.string({ required: true, helpValue: 'DIR', description: 'folder that "mdm ca init" made' }),
    days: days({ default: 30, description: 'how long the list counts' }),
  }

  async run(): Promise<WrittenList> {
    const { flags } = await this.parse(CaCrl)
    const ca = await readAuthority(flags.ca)
    const written = await writeList(flags.ca, { ca, revoke: [], days: flags.days })
    this.print(`${written.list}\n${written.revoked} revoked, good until ${written.nextUpdate}`)
    return written
  }
}
