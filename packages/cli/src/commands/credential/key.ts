import { Flags } from '@oclif/core'
import { BaseCommand } from '../../base-command.ts'
import { writeNewKey } from '../../credential-file.ts'

interface NewKey {
  readonly path: string
  /** PEM */
  readonly publicKey: string
  /** SHA-256 of the public key (SubjectPublicKeyInfo), hex */
  readonly holder: string
}

/** The key of a holder, made where it is used. */
export default class CredentialKey extends BaseCommand {
  static override summary = 'make a key on the machine of a job, and print its public half'
  static override description =
    'The private key (0600) stays where it is made. Hand the public key to the owner of the data rights, for "mdm credential delegate --holder". No configuration is needed.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> -o job.key > job.pub',
    '<%= config.bin %> <%= command.id %> -o job.key --json',
  ]
  static override flags = {
    output: Flags.string({
      char: 'o',
      required: true,
      helpValue: 'FILE',
      description: 'file of the private key',
    }),
  }

  async run(): Promise<NewKey> {
    const { flags } = await this.parse(CredentialKey)
    const [{ newHolderKey }, { spkiDigest }] = await Promise.all([
      import('@mdm/core/identity/proxy/holder-key'),
      import('@mdm/core/crypto/spki'),
    ])
    const made = await newHolderKey()
    await writeNewKey(flags.output, made.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string)
    const publicKey = made.publicKey.export({ type: 'spki', format: 'pem' }) as string
    this.print(publicKey)
    return { path: flags.output, publicKey, holder: spkiDigest(made.publicKey) }
  }
}
