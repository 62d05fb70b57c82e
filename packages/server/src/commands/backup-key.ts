import { writeFile } from 'node:fs/promises'
import { MdmError } from '@mdm/core/errors'
import { print, required, type Command } from './command.ts'

/** The key pair of backups. */
export const backupKey: Command = {
  words: 'backup-key',
  usage: '-o FILE',
  summary: 'make a key for backups: the file stays away from servers, what is printed goes to them',
  example: 'backup-key -o backup.key',
  options: { output: { type: 'string', short: 'o' } },
  async run(values) {
    const { createBackupKey } = await import('../backup/age.ts')
    const file = required(values, 'output')
    const { identity, recipient } = await createBackupKey()
    const text = `# public key: ${recipient}\n${identity}\n`
    await writeFile(file, text, { mode: 0o400, flag: 'wx' }).catch((cause: unknown) => {
      throw new MdmError('MDM_FILE', 'the key cannot be written there; an existing file is never replaced', {
        cause,
      })
    })
    print(recipient)
  },
}
