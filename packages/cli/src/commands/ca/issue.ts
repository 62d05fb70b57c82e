import { Flags } from '@oclif/core'
import { BaseCommand } from '../../base-command.ts'
import { claimFolder, keepIssued, writePair, type WrittenPair } from '../../ca-folder.ts'
import { readAuthority } from '../../ca-list.ts'
import { days } from '../../flags.ts'

interface NewUser extends WrittenPair {
  readonly dn: string
  /** hex: what "mdm ca revoke" takes */
  readonly serial: string
}

/** A user's certificate and key from the small authority. */
export default class CaIssue extends BaseCommand {
  static override summary = 'issue a certificate and key for a user'
  static override description =
    'Writes user.pem and user.key (0600). Hand both over by a safe way, then delete user.key here. A copy of the certificate stays in the folder issued of the authority, for "mdm ca revoke".'
  static override examples = [
    '<%= config.bin %> <%= command.id %> --ca CA_DIR --name "CN=Ann Lee,O=Example Hospital" -o ann/',
  ]
  static override flags = {
    ca: Flags.string({ required: true, helpValue: 'DIR', description: 'folder that "mdm ca init" made' }),
    name: Flags.string({ required: true, helpValue: 'DN', description: 'distinguished name of the user' }),
    output: Flags.string({
      char: 'o',
      required: true,
      helpValue: 'DIR',
      description: 'folder for the pair; made when absent',
    }),
    days: days({ default: 365, description: 'how long it is valid' }),
  }

  async run(): Promise<NewUser> {
    const { flags } = await this.parse(CaIssue)
    const { parseDn } = await import('@mdm/core/identity/dn')
    parseDn(flags.name)
    const ca = await readAuthority(flags.ca)
    await claimFolder(flags.output, ['user.pem', 'user.key'])
    const { issueCertificate } = await import('@mdm/core/identity/ca')
    const issued = await issueCertificate({ ca, dn: flags.name, days: flags.days, usage: 'client' })
    // Kept first: what nobody knows of can never be revoked.
    const serial = await keepIssued(flags.ca, issued.certificate)
    const pair = await writePair(flags.output, 'user', issued)
    this.print(`${pair.certificate}\n${pair.key}`)
    return { ...pair, dn: flags.name, serial }
  }
}
