import type { CredentialView } from '@mdm/core/identity/proxy/describe'
import { Args } from '@oclif/core'
import { BaseCommand } from '../../base-command.ts'
import { table } from '../../output.ts'

interface ShownCredential {
  readonly kind: CredentialView['kind']
  readonly owner: string
  readonly issuer: string
  readonly guids?: readonly string[]
  readonly operations?: readonly string[]
  readonly notBefore: string
  readonly notAfter: string
  readonly serial: string
  readonly holder: string
  readonly holdsKey: boolean
}

/** What a capability, proxy or certificate is good for, as it says itself. */
export default class CredentialShow extends BaseCommand {
  static override summary = 'show what a capability, a proxy or a certificate is good for'
  static override description =
    'Nothing is sent, and whether a server accepts it is not known: "mdm whoami --check --cert FILE" asks them. The private key is never shown.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> CAPABILITY',
    '<%= config.bin %> <%= command.id %> CAPABILITY --json',
    '<%= config.bin %> <%= command.id %> CERTIFICATE',
  ]
  static override args = { file: Args.string({ required: true, description: 'PEM file' }) }

  async run(): Promise<ShownCredential> {
    const { args } = await this.parse(CredentialShow)
    const [{ describeCredential }, { displayDn }] = await Promise.all([
      import('@mdm/core/identity/proxy/describe'),
      import('@mdm/core/identity/dn'),
    ])
    const view = describeCredential(await this.readText(args.file))
    const { kind, limits, serial, holder, holdsKey } = view
    const shown = {
      ...{ kind, owner: displayDn(view.owner), issuer: displayDn(view.issuer) },
      ...(limits === undefined ? {} : { guids: limits.guids, operations: limits.operations }),
      ...{ notBefore: view.notBefore.toISOString(), notAfter: view.notAfter.toISOString() },
      ...{ serial, holder, holdsKey },
    }
    this.print(table(['', ''], lines(shown, new Date())).replace(/^\s*\n/, ''))
    return shown
  }
}

function lines(shown: ShownCredential, now: Date): [string, string][] {
  const ended = Date.parse(shown.notAfter) < now.getTime() ? ' (ended)' : ''
  return [
    ['kind', shown.kind],
    ['owner', shown.owner],
    ['issuer', shown.issuer],
    ...(shown.guids ?? []).map((guid, i): [string, string] => [i === 0 ? 'volumes' : '', guid]),
    ...(shown.operations === undefined
      ? []
      : [['operations', shown.operations.join(', ')] as [string, string]]),
    ['valid', `${shown.notBefore} to ${shown.notAfter}${ended}`],
    ['serial', shown.serial],
    ['holder', `${shown.holder}${shown.holdsKey ? ', whose key is in the file' : ''}`],
  ]
}
