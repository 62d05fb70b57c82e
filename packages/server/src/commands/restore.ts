import { optional, print, required, sideOf, type Command } from './command.ts'

/** Puts a server back. */
export const restoreServer: Command = {
  words: 'restore',
  usage: 'site|keys --from FILE --identity KEY --dir DIR [--store URL]',
  summary: 'put a server back from its backup, into an empty folder',
  example: 'restore site --from site.backup --identity backup.key --dir /var/lib/mdm-site',
  options: {
    from: { type: 'string' },
    identity: { type: 'string' },
    dir: { type: 'string' },
    store: { type: 'string' },
  },
  args: ['site|keys'],
  async run(values, [kind]) {
    const { restore } = await import('../backup/restore.ts')
    const restored = await restore(sideOf(kind!), {
      from: required(values, 'from'),
      identity: required(values, 'identity'),
      dir: required(values, 'dir'),
      store: optional(values, 'store'),
    })
    print(JSON.stringify(restored))
    if (restored.kind === 'site')
      print(`lists of files and metadata are of ${restored.created}: repeat what was revoked since`)
    print(`next: mdm-server ${restored.kind} --config ${restored.config}`)
  },
}
