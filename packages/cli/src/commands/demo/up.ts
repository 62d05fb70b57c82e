import { MdmError } from '@mdm/core/errors'
import { Flags } from '@oclif/core'
import { BaseCommand } from '../../base-command.ts'
import type { DemoGrid } from '../../demo/grid-file.ts'
import { table } from '../../output.ts'

/** A whole grid on loopback, for trying and for tests. */
export default class DemoUp extends BaseCommand {
  static override summary = 'start a whole grid on this machine'
  static override description = [
    'Makes a CA, key servers, a site and the users admin, physician, scientist, backup and stranger in an empty folder, on',
    'free ports of 127.0.0.1, and leaves the servers running. MDM_CONFIG=FILE, with the file it names for a user, acts as',
    'that user. Nobody but admin has any right until admin grants one.',
  ].join(' ')
  static override examples = [
    '<%= config.bin %> <%= command.id %> --dir DEMO_DIR',
    '<%= config.bin %> <%= command.id %> --dir DEMO_DIR --source DICOM_DIR --key-servers 5 --threshold 3 --json',
  ]
  static override flags = {
    dir: Flags.string({ required: true, helpValue: 'DIR', description: 'empty folder; made when absent' }),
    source: Flags.string({
      helpValue: 'FOLDER',
      description: 'DICOM files to serve; made-up CT and MR series when absent',
    }),
    live: Flags.boolean({ description: 'register by itself what comes into the folder of DICOM files' }),
    'key-servers': Flags.integer({
      min: 2,
      max: 32,
      default: 3,
      helpValue: 'N',
      description: 'how many key servers',
    }),
    threshold: Flags.integer({
      min: 2,
      max: 32,
      default: 2,
      helpValue: 'M',
      description: 'how many of them rebuild a key',
    }),
  }

  async run(): Promise<DemoGrid> {
    const { flags } = await this.parse(DemoUp)
    const { dir, source, threshold, live } = flags
    const keyServers = flags['key-servers']
    if (threshold >= keyServers)
      throw new MdmError(
        'MDM_USAGE',
        '--threshold must be below --key-servers, or one lost server loses every key',
      )
    const { demoUp } = await import('../../demo/up.ts')
    const grid = await demoUp(dir, { source, keyServers, threshold, live, signal: this.signal })
    const servers = [
      ['site', grid.site.api, grid.site.pid],
      ['  for grid clients', grid.site.srm, grid.site.pid],
      ...grid.keyServers.map((k) => ['key server', k.url, k.pid]),
    ]
    this.print(table(['server', 'address', 'pid'], servers))
    this.print('')
    this.print(
      table(
        ['user', 'MDM_CONFIG', 'name'],
        Object.entries(grid.users).map(([user, u]) => [user, u.config, u.dn]),
      ),
    )
    return grid
  }
}
