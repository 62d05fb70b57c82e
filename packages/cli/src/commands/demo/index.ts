import { BaseCommand } from '../../base-command.ts'
import type { TourStep } from '../../demo/tour.ts'

/** `npm run demo`. */
export default class Demo extends BaseCommand {
  static override summary = 'a tour: a whole grid, used by five people, in under a minute'
  static override description = [
    'Starts a grid in a temporary folder, registers made-up CT and MR series, finds, grants and fetches them at all three',
    'levels, and is refused as a stranger. Every command is shown as you would type it. Nothing is left behind.',
  ].join(' ')
  static override examples = ['<%= config.bin %> <%= command.id %>']

  async run(): Promise<{ steps: TourStep[] }> {
    await this.parse(Demo)
    const [{ tour }, { previewNrrd }, { canvasOf }] = await Promise.all([
      import('../../demo/tour.ts'),
      import('../../demo/preview.ts'),
      import('../../preview/terminal.ts'),
    ])
    const { columns, colours } = canvasOf(process.stdout)
    const canvas = {
      columns: Math.min(columns - 3, 64),
      rows: 24,
      colours: process.stdout.isTTY === true ? colours : 'none',
    } as const
    const steps = await tour({
      signal: this.signal,
      say: (text) => this.print(text),
      draw: async (nrrd) => `${(await previewNrrd(nrrd, canvas)).replace(/^/gm, '  ').trimEnd()}\n`,
    })
    return { steps }
  }
}
