import { readFile } from 'node:fs/promises'
import { MdmError } from '@mdm/core/errors'
import { Args, Flags } from '@oclif/core'
import { BaseCommand } from '../../base-command.ts'
import { readAuthority, writeList, type WrittenList } from '../../ca-list.ts'
import { days } from '../../flags.ts'

interface Revoked extends WrittenList {
  readonly serial: string
}

/** A certificate that must not count any more: lost, stolen, or its owner has left. */
export default class CaRevoke extends BaseCommand {
  static override summary = 'revoke a certificate that the authority issued'
  static override description = [
    'Puts the certificate on the list ca.crl and writes that anew. It counts within a second of being copied into the folder "crls"',
    'of a server, also on open connections. "mdm ca issue" kept a copy of every certificate in the folder issued.',
  ].join(' ')
  static override examples = [
    '<%= config.bin %> ca issue --ca CA_DIR --name "CN=Ann Lee" -o ann && <%= config.bin %> <%= command.id %> ann/user.pem --ca CA_DIR',
    '<%= config.bin %> <%= command.id %> 4f:6b:2c:01 --ca CA_DIR',
  ]
  static override args = {
    certificate: Args.string({ required: true, description: 'PEM file of it, or its serial number in hex' }),
  }
  static override flags = {
    ca: Flags.string({ required: true, helpValue: 'DIR', description: 'folder that "mdm ca init" made' }),
    days: days({ default: 30, description: 'how long the list counts' }),
  }

  async run(): Promise<Revoked> {
    const { args, flags } = await this.parse(CaRevoke)
    const ca = await readAuthority(flags.ca)
    const serial = await this.serial(args.certificate, ca.certificate)
    const written = await writeList(flags.ca, { ca, revoke: [serial], days: flags.days })
    this.print(`${serial} is revoked\n${written.list}\ngood until ${written.nextUpdate}`)
    return { ...written, serial }
  }

  /** Of a file, unless there is none and the text could be a number. */
  private async serial(text: string, authority: string): Promise<string> {
    const { serialOf } = await import('@mdm/core/identity/crl/write-crl')
    const pem = await readFile(text).catch(() => undefined)
    if (pem === undefined) {
      if (/^[0-9a-f:]+$/i.test(text)) return serialOf(text)
      throw new MdmError('MDM_USAGE', 'there is no such file, and it is not a serial number in hex')
    }
    const { X509Certificate } = await import('node:crypto')
    const issued = await Promise.resolve()
      .then(() => [new X509Certificate(pem), new X509Certificate(authority)] as const)
      .catch((cause: unknown) => {
        throw new MdmError('MDM_USAGE', 'the file is no certificate in PEM', { cause })
      })
    const [leaf, issuer] = issued
    if (!leaf.checkIssued(issuer) || !leaf.verify(issuer.publicKey))
      throw new MdmError('MDM_USAGE', 'the certificate is not one that this authority issued')
    return serialOf(leaf.serialNumber)
  }
}
