import type { Inspected } from '@mdm/core/access/inspect'
import { MdmError } from '@mdm/core/errors'
import { Args } from '@oclif/core'
import { BaseCommand } from '../base-command.ts'
import { readableBytes, table } from '../output.ts'

/** What a container says of itself. */
type Inspection = { readonly path: string } & Inspected & { readonly verified: false }

/** The header of a container, for who has the file and no key. */
export default class Inspect extends BaseCommand {
  static override summary = 'show what a container says of itself, without a key'
  static override description = [
    'Needs no configuration and no network. Nothing is verified: whoever changed the file could have changed this as well;',
    '"mdm decrypt" verifies it. Exit code 7 when the file is shorter or longer than its header says.',
  ].join(' ')
  static override examples = [
    '<%= config.bin %> <%= command.id %> CONTAINER',
    '<%= config.bin %> <%= command.id %> CONTAINER --json',
    '<%= config.bin %> get GUID --level raw -o - | <%= config.bin %> <%= command.id %> -',
  ]
  static override args = {
    file: Args.string({
      required: true,
      ignoreStdin: true,
      description: 'container, such as GUID.mdm; - reads it from stdin',
    }),
  }

  async run(): Promise<Inspection> {
    const { args } = await this.parse(Inspect)
    const { inspectFile, inspectStream } = await import('@mdm/core/access/inspect')
    const found = await (args.file === '-'
      ? inspectStream(process.stdin, this.signal)
      : inspectFile(args.file, this.signal))
    if (found.state !== 'whole') process.exitCode = new MdmError('MDM_CONTAINER').exitCode
    this.print(table(['', ''], lines(found)).replace(/^\s*\n/, ''))
    if (!this.jsonEnabled())
      this.talk('note: nothing of this is verified, which takes the key: "mdm decrypt"')
    return { path: args.file, ...found, verified: false }
  }
}

function lines(found: Inspected): [string, string][] {
  const length = `${found.actualBytes} of ${found.expectedBytes} bytes`
  return [
    ['format', `AWS Encryption SDK message, version ${found.formatVersion}, suite ${found.suite}`],
    ['message id', found.messageId],
    ['GUID', found.guid],
    ['version', String(found.version)],
    ['kid', found.kid],
    ['site', found.site],
    ['de-identification', `profile ${found.profile}`],
    ['plaintext', `${readableBytes(found.plaintextBytes)} (${found.plaintextBytes} bytes)`],
    ['frames', `${found.frames} of ${found.frameBytes} bytes at the most`],
    ['header', `${found.headerBytes} bytes`],
    ['length', `${found.state}: ${length}`],
  ]
}
