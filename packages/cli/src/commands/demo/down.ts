import { Flags } from '@oclif/core'
import { BaseCommand } from '../../base-command.ts'
import type { StoppedDemo } from '../../demo/down.ts'

/** The end of `mdm demo up`. */
export default class DemoDown extends BaseCommand {
  static override summary = 'stop every server of a demo'
  static override description =
    'Only processes that were started for this folder are ended. The folder stays, logs and all.'
  static override examples = ['<%= config.bin %> <%= command.id %> --dir RUNNING_DEMO']
  static override flags = {
    dir: Flags.string({ required: true, helpValue: 'DIR', description: 'folder given to "mdm demo up"' }),
  }

  async run(): Promise<StoppedDemo> {
    const { flags } = await this.parse(DemoDown)
    const { demoDown } = await import('../../demo/down.ts')
    const result = await demoDown(flags.dir)
    this.print(`${result.stopped.length} servers stopped`)
    return result
  }
}
