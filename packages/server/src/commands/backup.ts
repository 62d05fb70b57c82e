import { MdmError } from '@mdm/core/errors'
import { print, required, sideOf, type Command } from './command.ts'

/** Everything of a server but its spool, encrypted to a public key. */
export const backup: Command = {
  words: 'backup',
  usage: 'site|keys --config FILE --recipient age1... -o FILE',
  summary: 'back a server up, also while it runs, encrypted to a public key',
  example: 'backup site --config site.json --recipient age1... -o site.backup',
  options: {
    config: { type: 'string' },
    recipient: { type: 'string', multiple: true },
    output: { type: 'string', short: 'o' },
  },
  args: ['site|keys'],
  async run(values, [kind]) {
    const { backUp } = await import('../backup/back-up.ts')
    const recipients = (values['recipient'] ?? []) as string[]
    if (recipients.length === 0)
      throw new MdmError('MDM_USAGE', '--recipient is missing: the public key of "mdm-server backup-key"')
    const file = required(values, 'output')
    print(JSON.stringify(await backUp(sideOf(kind!), required(values, 'config'), { recipients, file })))
  },
}
