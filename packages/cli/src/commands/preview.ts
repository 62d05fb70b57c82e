import type { OpenVolume } from '@mdm/core/access/decrypt'
import type { Session } from '@mdm/core/access/session'
import { MdmError } from '@mdm/core/errors'
import { collectEarly } from '@mdm/core/memory'
import type { Preview as Drawn } from '@mdm/core/volume/preview/preview'
import { Args, Flags } from '@oclif/core'
import { BaseCommand } from '../base-command.ts'
import { FaultNotes } from '../fault-notes.ts'
import { readableBytes } from '../output.ts'
import { Progress } from '../progress.ts'

/** What was drawn, as --json shows it. */
interface PreviewReport {
  readonly guid: string
  readonly version: number
  /** `-` for stdout */
  readonly path: string
  readonly bytes: number
  readonly width: number
  readonly height: number
  /** values shown black and white, and their unit; absent for colours */
  readonly window?: { readonly low: number; readonly high: number; readonly units?: string }
  /** the lowest value is shown white */
  readonly inverted: boolean
  readonly views: Drawn['views']
}

/** A look at a volume, without keeping it. */
export default class Preview extends BaseCommand {
  static override summary = 'draw the middle slices of a volume, as a PNG file or in the terminal'
  static override description = [
    'Three slices through the middle, each in right proportion, windowed by the values of the volume. The volume is decrypted as',
    'it comes and not kept; takes the same rights as "mdm get". Without -o the slices are drawn in the terminal.',
  ].join(' ')
  static override examples = [
    '<%= config.bin %> <%= command.id %> GUID -o brain.png',
    '<%= config.bin %> <%= command.id %> LFN -o brain.png --json',
    '<%= config.bin %> <%= command.id %> --file CONTAINER -o brain.png',
    '<%= config.bin %> <%= command.id %> GUID -o - | head -c 8',
  ]
  static override args = {
    name: Args.string({ ignoreStdin: true, description: 'GUID, GUID@VERSION, LFN, SURL or instance:GUID' }),
  }
  static override flags = {
    output: Flags.string({
      char: 'o',
      helpValue: 'FILE|-',
      description: 'PNG file, or - for stdout; the terminal when absent',
    }),
    file: Flags.string({ helpValue: 'CONTAINER', description: 'a container on disk, instead of a name' }),
  }

  async run(): Promise<PreviewReport> {
    collectEarly()
    const { args, flags } = await this.parse(Preview)
    if ((args.name === undefined) === (flags.file === undefined))
      throw new MdmError('MDM_USAGE', 'one volume is drawn: give its name, or its container by --file')
    this.requirePlace(flags.output)
    return await this.withSession(flags, async (session) => {
      const volume = await this.open(session, args.name, flags.file)
      try {
        return await this.draw(volume, flags.output)
      } finally {
        await volume.close()
      }
    })
  }

  /** Pictures of patients are shown where somebody looks, and nowhere by accident. */
  private requirePlace(output: string | undefined): void {
    if (output === '-' && this.jsonEnabled())
      throw new MdmError('MDM_USAGE', '-o - and --json both want stdout')
    if (output === '-' && process.stdout.isTTY)
      throw new MdmError('MDM_USAGE', 'a PNG file is not for a terminal: use -o FILE, or no -o at all')
    if (output === undefined && (this.jsonEnabled() || !process.stdout.isTTY))
      throw new MdmError('MDM_USAGE', 'stdout is no terminal to draw in: use -o FILE')
  }

  private async open(
    session: Session,
    name: string | undefined,
    file: string | undefined,
  ): Promise<OpenVolume> {
    const [{ decryptFile, openVolume }, { parseVolumeName }] = await Promise.all([
      import('@mdm/core/access/decrypt'),
      import('@mdm/core/names'),
    ])
    const faults = new FaultNotes(session, (line) => this.talk(line))
    const o = { signal: this.signal, onFault: faults.add }
    const opening =
      name === undefined ? decryptFile(session, file!, o) : openVolume(session, parseVolumeName(name), o)
    const volume = await opening.catch((error: unknown) => {
      faults.settle(error)
      throw error
    })
    faults.settle()
    return volume
  }

  private async draw(opened: OpenVolume, output: string | undefined): Promise<PreviewReport> {
    const { previewOf } = await import('@mdm/core/volume/preview/preview')
    const { sliceRange } = await import('@mdm/core/volume/volume')
    const slices = opened.named === undefined ? undefined : ([opened.named, opened.named] as const)
    const volume = slices === undefined ? opened.volume : sliceRange(opened.volume, slices)
    const progress = new Progress(opened.guid)
    const voxels = counted(opened.stream({ slices: slices ?? [0, volume.slices - 1] }), (done) =>
      progress.bytes(done, opened.plaintextBytes),
    )
    const drawn = await previewOf(volume, voxels).finally(() => progress.end())
    const written = await this.write(drawn, output)
    const { width, height } = drawn.picture
    const units = volume.units === undefined ? {} : { units: volume.units }
    const window = drawn.window && { ...drawn.window, ...units }
    if (output !== undefined && output !== '-') this.print(output)
    if (!this.jsonEnabled()) this.talk(told(opened, drawn, volume.units, written))
    return {
      ...{ guid: opened.guid, version: opened.version, path: output ?? '-', bytes: written, width, height },
      ...(window === undefined ? {} : { window }),
      inverted: volume.inverted === true,
      views: drawn.views,
    }
  }

  /** @returns bytes of the PNG file, or of the text */
  private async write(drawn: Drawn, output: string | undefined): Promise<number> {
    if (output === undefined) {
      const { canvasOf, drawPicture } = await import('../preview/terminal.ts')
      const text = drawPicture(drawn.picture, canvasOf(process.stdout))
      this.print(text)
      return Buffer.byteLength(text)
    }
    const [{ pngOf }, { writeStream, writeWhole }] = await Promise.all([
      import('../preview/png.ts'),
      import('@mdm/core/access/whole-file'),
    ])
    const content = async function* () {
      yield pngOf(drawn.picture)
    }
    const { bytes } = await (output === '-'
      ? writeStream(process.stdout, content())
      : writeWhole(output, content()))
    return bytes
  }
}

async function* counted(
  voxels: AsyncIterable<Buffer>,
  done: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  let bytes = 0
  for await (const piece of voxels) {
    bytes += piece.length
    done(bytes)
    yield piece
  }
}

function told(
  { guid, version }: OpenVolume,
  { picture, window }: Drawn,
  units: string | undefined,
  bytes: number,
): string {
  const number = (value: number) => Number(value.toPrecision(4))
  const shown =
    window === undefined
      ? 'colours as they are'
      : `${number(window.low)} to ${number(window.high)}${units === undefined ? '' : ` ${units}`}`
  return `${guid} version ${version}: ${picture.width} x ${picture.height}, ${shown}, ${readableBytes(bytes)}`
}
