import { mkdir } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Session } from '@mdm/core/access/session'
import { MdmError } from '@mdm/core/errors'
import { collectEarly } from '@mdm/core/memory'
import { Args } from '@oclif/core'
import { BaseCommand } from '../base-command.ts'
import { failuresOf, type Failure } from '../failures.ts'
import { FaultNotes } from '../fault-notes.ts'
import { format, output, sidecar, slices } from '../flags.ts'
import { readableBytes } from '../output.ts'
import { pathOf, planOutput, type OutputPlan } from '../output-plan.ts'
import { saveDecrypted, type DecryptedFile } from '../save-decrypted.ts'
import { requireSidecarPlace } from '../sidecar-file.ts'

/** Level 2 of the paper's client over a container that came another way. */
export default class Decrypt extends BaseCommand {
  static override summary = 'open containers that are on disk already'
  static override description = [
    'For what "mdm get --level raw", curl or a grid job left. Only the key servers are asked; the container says which key it',
    'needs. The result appears under its name only when every frame has verified.',
  ].join(' ')
  static override examples = [
    '<%= config.bin %> <%= command.id %> CONTAINER -o brain.nii',
    '<%= config.bin %> <%= command.id %> CONTAINER -o volumes/ --format nrrd --json',
    '<%= config.bin %> <%= command.id %> CONTAINER -o brain.mha',
    '<%= config.bin %> <%= command.id %> CONTAINER -o brain.nii --sidecar',
    '<%= config.bin %> <%= command.id %> CONTAINER --slices 0-1 -o first.nrrd',
  ]
  static override args = {
    file: Args.string({
      multiple: true,
      required: true,
      ignoreStdin: true,
      description: 'container, such as GUID.mdm',
    }),
  }
  static override flags = { output: output(), format: format(), slices: slices(), sidecar: sidecar() }

  async run(): Promise<{ files: DecryptedFile[]; errors?: Failure[] }> {
    collectEarly()
    const { args, flags } = await this.parse(Decrypt)
    const files = [args.file].flat()
    const plan = await planOutput(files.length, {
      ...flags,
      level: 'decrypt',
      sliced: flags.slices !== undefined,
    })
    if (flags.sidecar) requireSidecarPlace(plan)
    if (plan.kind === 'stdout' && this.jsonEnabled())
      throw new MdmError('MDM_USAGE', '-o - and --json both want stdout')
    if (plan.kind === 'stdout' && process.stdout.isTTY)
      throw new MdmError('MDM_USAGE', 'a volume is not for a terminal: use -o FILE or a pipe')
    if (plan.kind === 'folder') await mkdir(plan.path, { recursive: true })
    const { done, failures } = await this.withSession(flags, (session) =>
      failuresOf(files, String, (file) => this.open(session, file, plan, flags), this.signal),
    )
    this.finish(failures)
    return { files: done, ...(failures.listed.length > 0 ? { errors: failures.listed } : {}) }
  }

  private async open(
    session: Session,
    file: string,
    plan: OutputPlan,
    { slices, sidecar }: { slices?: readonly [number, number] | undefined; sidecar: boolean },
  ): Promise<DecryptedFile> {
    const path = plan.kind === 'stdout' ? undefined : pathOf(plan, basename(file).replace(/\.mdm$/, ''))
    const faults = new FaultNotes(session, (line) => this.talk(line))
    const o = { format: plan.format, slices, sidecar, signal: this.signal, onFault: faults.add }
    const saved = await saveDecrypted(session, file, path, o).catch((error: unknown) => {
      faults.settle(error)
      throw error
    })
    faults.settle()
    if (path !== undefined) this.print(path)
    if (saved.sidecar !== undefined) this.print(saved.sidecar)
    if (path !== undefined && !this.jsonEnabled()) {
      const { guid, version, bytes, sha256 } = saved
      this.talk(`${guid} version ${version}: ${readableBytes(bytes)}, SHA-256 ${sha256}`)
    }
    return saved
  }
}
