import { ERRORS, isErrorCode } from '@mdm/core/errors'
import type { SourceTest } from '@mdm/core/wire/site'
import { Args } from '@oclif/core'
import { BaseCommand } from '../../base-command.ts'
import { table } from '../../output.ts'

/** A trial of one source, step by step. */
export default class SourceTestCommand extends BaseCommand {
  static override summary = 'have the site try one of its sources'
  static override description = [
    'The site connects, asks for what is there and retrieves a few objects in each way that the source offers; it prints what',
    'each step found and how objects will be retrieved from now on. A way that does not work is no fault while another one',
    'does. For administrators of the site. Exit code: 0 when images can be retrieved or there are none, else that of what failed.',
  ].join(' ')
  static override examples = [
    '<%= config.bin %> <%= command.id %> SOURCE',
    '<%= config.bin %> <%= command.id %> SOURCE --json',
  ]
  static override args = {
    name: Args.string({ required: true, description: 'name of the source; "mdm source ls" lists them' }),
  }

  async run(): Promise<SourceTest> {
    const { args, flags } = await this.parse(SourceTestCommand)
    const found = await this.withSession(flags, async (session) => {
      const { tryOutSource } = await import('@mdm/core/access/sources')
      return await tryOutSource(session, args.name, this.signal)
    })
    const rows = found.steps.map(({ step, ok, ms, note }) => [step, ok ? 'ok' : 'no', Math.round(ms), note])
    this.print(table(['step', 'works', 'ms', 'what was found'], rows))
    this.print(`retrieves by: ${found.methods.join(', then ')}\n`)
    const code = faultOf(found)
    if (code !== undefined && isErrorCode(code)) {
      process.exitCode = ERRORS[code].exitCode
      if (!this.jsonEnabled())
        this.talk(`note: ${ERRORS[code].what}\n code: ${code}\n next: ${ERRORS[code].next}`)
    }
    return found
  }
}

/** Code of what keeps the source from being used; undefined when nothing does. */
function faultOf({ steps, methods }: SourceTest): string | undefined {
  const works = ({ step }: SourceTest['steps'][number]) => methods.includes(step)
  const ways = steps.filter(works)
  const needed = ways.some(({ ok }) => ok) ? steps.filter((step) => !works(step)) : steps
  return needed.find(({ ok }) => !ok)?.code
}
