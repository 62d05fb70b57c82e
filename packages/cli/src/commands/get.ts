import { mkdir } from 'node:fs/promises'
import type { Session } from '@mdm/core/access/session'
import type { SavedStoredFile } from '@mdm/core/access/save-stored'
import type { Storage } from '@mdm/core/access/storage'
import { MdmError } from '@mdm/core/errors'
import { collectEarly } from '@mdm/core/memory'
import type { SeriesAxis, Volume } from '@mdm/core/volume/volume'
import { Args, Flags } from '@oclif/core'
import { BaseCommand, type IdentityFlags } from '../base-command.ts'
import { failuresOf, type Failure } from '../failures.ts'
import { FaultNotes } from '../fault-notes.ts'
import { getFormat, output, sidecar, slices, storage } from '../flags.ts'
import type { NamedVolume } from '../name-input.ts'
import { pathOf, planOutput, type OutputPlan } from '../output-plan.ts'
import { Progress } from '../progress.ts'
import { retryNote } from '../retry-note.ts'
import { saveNamed, type SavedThing } from '../save-named.ts'
import { pathOfSeries, seriesFolder, type SeriesFlags } from '../series-folder.ts'
import type { NamedFile } from '../stored-input.ts'
import { requireSidecarPlace, writeSidecar } from '../sidecar-file.ts'
import { tellSaved, type Teller } from '../tell-saved.ts'
import { timingReport, type TimingReport } from '../timing-table.ts'

/** One fetched file as --json shows it. */
type FileReport = (SavedThing | SavedStoredFile) & {
  readonly timings: TimingReport
  readonly sidecar?: string
}

/** Whom a get asks: the site for most names, storage services for SURLs and what was configured to come from there. */
interface Reached {
  readonly session?: Session
  readonly storage?: Storage
}

interface GetFlags {
  readonly slices?: readonly [number, number] | undefined
  readonly timings: boolean
  readonly sidecar: boolean
  readonly retries: number
  readonly wait: number
}

/** Levels 1 and 2 of the paper's client (4.3). */
export default class Get extends BaseCommand {
  static override summary = 'fetch volumes and sets: decrypted in memory, or as the encrypted container'
  static override description = [
    'Names are GUIDs, GUID@VERSION, LFNs, SURLs, or instance:GUID for one slice, as arguments or on stdin. A file appears under its name only when every',
    'frame of the container has verified. The GUID of a set gives one file of four dimensions. What is interrupted leaves FILE.part, and the same command goes on from there. With several volumes, those that fail are listed and the rest is fetched (exit',
    'code 10). With --level raw a SURL is fetched from the SRM service it names, of MDM or not, and GUIDs from the one of --srm.',
  ].join(' ')
  static override examples = [
    '<%= config.bin %> <%= command.id %> GUID',
    '<%= config.bin %> <%= command.id %> GUID -o brain.nii --timings',
    '<%= config.bin %> <%= command.id %> LFN -o volumes/ --format nifti --json',
    '<%= config.bin %> <%= command.id %> GUID -o brain.nii.gz',
    '<%= config.bin %> <%= command.id %> GUID --level raw -o brain.mdm',
    '<%= config.bin %> <%= command.id %> "SURL" --level raw --ca-dir CERTIFICATES -o brain.mdm',
    '<%= config.bin %> <%= command.id %> GUID --level raw --srm SRM --ca-dir CERTIFICATES -o brain.mdm',
    '<%= config.bin %> <%= command.id %> GUID -o brain.nii.gz --sidecar',
    '<%= config.bin %> <%= command.id %> GUID --slices 2-4 -o part.nrrd',
    '<%= config.bin %> <%= command.id %> GUID --format dicom -o series/',
    '<%= config.bin %> <%= command.id %> SET -o echoes.nii',
    '<%= config.bin %> <%= command.id %> GUID -o - | head -n 5',
    '<%= config.bin %> query "modality=MR" --format guids | <%= config.bin %> <%= command.id %> -o volumes/ --format nifti',
  ]
  static override args = {
    name: Args.string({
      multiple: true,
      ignoreStdin: true,
      description:
        'GUID, GUID@VERSION, LFN, SURL or instance:GUID, or GUID of a set; - reads names from stdin',
    }),
  }
  static override flags = {
    output: output(),
    level: Flags.option({
      options: ['raw', 'decrypt'] as const,
      description: 'raw: the container as the site sends it; decrypt: voxels',
    })(),
    format: getFormat(),
    slices: slices(),
    sidecar: sidecar(),
    retries: Flags.integer({
      min: 0,
      max: 20,
      default: 4,
      helpValue: 'N',
      description:
        'attempts after the first when the site is away or the transfer breaks; each goes on where the last one stopped',
    }),
    ...storage,
    wait: Flags.integer({
      min: 1,
      max: 604_800,
      default: 3_600,
      helpValue: 'SECONDS',
      description: 'how long an SRM service may take to make a file ready',
    }),
    timings: Flags.boolean({ description: 'print where the time went (the rows of Figure 4 of the paper)' }),
  }

  async run(): Promise<{ files: FileReport[]; errors?: Failure[] }> {
    collectEarly()
    const { args, flags } = await this.parse(Get)
    const { NO_VOLUME, typedNames, volumesOf } = await import('../name-input.ts')
    const texts = await typedNames([args.name ?? []].flat(), { signal: this.signal, none: NO_VOLUME })
    const { format } = flags
    if (format === 'dicom') return await this.asSeries(volumesOf(texts), flags)
    const plan = await planOutput(texts.length, { ...flags, format, sliced: flags.slices !== undefined })
    const { rawNames, requireOwnPaths } = await import('../stored-input.ts')
    const names =
      plan.level === 'raw' ? await rawNames(texts, (await this.clientConfig(flags)).srm) : volumesOf(texts)
    requireOwnPaths(plan, names)
    if (flags.sidecar) requireSidecarPlace(plan)
    if (plan.kind === 'stdout' && this.jsonEnabled())
      throw new MdmError('MDM_USAGE', '-o - and --json both want stdout')
    if (plan.kind === 'stdout' && process.stdout.isTTY)
      throw new MdmError('MDM_USAGE', 'a volume is not for a terminal: use -o FILE or a pipe')
    if (plan.kind === 'folder') await mkdir(plan.path, { recursive: true })
    const { done, failures } = await this.reaching(flags, names, (reached) =>
      failuresOf(
        names,
        (n) => n.text,
        (n) => this.fetchAny(reached, n, plan, flags),
        this.signal,
      ),
    )
    this.finish(failures)
    return { files: done, ...(failures.listed.length > 0 ? { errors: failures.listed } : {}) }
  }

  /** Opens what the names need: a storage service that has nothing to do with the site takes no roster. */
  private async reaching<T>(
    flags: IdentityFlags,
    names: readonly (NamedVolume | NamedFile)[],
    work: (reached: Reached) => Promise<T>,
  ): Promise<T> {
    const withSite = async (reached: Reached) =>
      names.some((n) => 'name' in n)
        ? await this.withSession(flags, (session) => work({ ...reached, session }))
        : await work(reached)
    return names.some((n) => 'file' in n)
      ? await this.withStorage(flags, (storage) => withSite({ storage }))
      : await withSite({})
  }

  /** Each volume as a folder of DICOM files. Fetched as they are written: an interrupted one begins anew. */
  private async asSeries(
    names: readonly NamedVolume[],
    flags: GetFlags & SeriesFlags & IdentityFlags,
  ): Promise<{ files: FileReport[]; errors?: Failure[] }> {
    const folder = await seriesFolder(flags)
    const { saveSeries } = await import('@mdm/core/access/save-series')
    const { Timing } = await import('@mdm/core/timing')
    const { done, failures } = await this.withSession(flags, (session) =>
      failuresOf(
        names,
        (n) => n.text,
        async ({ name }) => {
          const timing = new Timing()
          const path = pathOfSeries(folder, await this.stem(session, name, 'folder'))
          const { slices } = flags
          const saved = await saveSeries(session, name, { path, slices, timing, signal: this.signal })
          const timings = await timingReport(timing.rows, timing.now())
          tellSaved(this.teller(), saved, { kind: 'folder', timings: flags.timings ? timings : undefined })
          return { ...saved, timings }
        },
        this.signal,
      ),
    )
    this.finish(failures)
    return { files: done, ...(failures.listed.length > 0 ? { errors: failures.listed } : {}) }
  }

  private async fetchAny(
    { session, storage }: Reached,
    named: NamedVolume | NamedFile,
    plan: OutputPlan,
    flags: GetFlags,
  ): Promise<FileReport> {
    if ('name' in named) return await this.fetch(session!, named, plan, flags)
    const { fetchStored } = await import('../fetch-stored.ts')
    const { retries, wait: waitSeconds } = flags
    const talk = (line: string) => this.talk(line)
    const saved = await fetchStored(storage!, named, plan, {
      retries,
      waitSeconds,
      signal: this.signal,
      talk,
    })
    tellSaved(this.teller(), saved, { ...plan, timings: flags.timings ? saved.timings : undefined })
    return saved
  }

  private async fetch(
    session: Session,
    { text, name }: NamedVolume,
    plan: OutputPlan,
    flags: GetFlags,
  ): Promise<FileReport> {
    const { Timing } = await import('@mdm/core/timing')
    const timing = new Timing()
    const progress = new Progress(text.slice(0, 36))
    const faults = new FaultNotes(session, (line) => {
      progress.end()
      this.talk(line)
    })
    let held: { volume: Volume; axis?: SeriesAxis } | undefined
    const o = {
      level: plan.level,
      format: plan.format,
      ...(flags.slices === undefined ? {} : { slices: flags.slices }),
      signal: this.signal,
      timing,
      onProgress: progress.bytes,
      onFault: faults.add,
      onVolume: (volume: Volume, axis?: SeriesAxis) =>
        void (held = { volume, ...(axis === undefined ? {} : { axis }) }),
      retries: flags.retries,
      onRetry: retryNote(progress, (line) => this.talk(line)),
    }
    try {
      const path =
        plan.kind === 'stdout' ? undefined : pathOf(plan, await this.stem(session, name, plan.kind))
      const saved = await saveNamed(session, name, path, o)
      progress.end()
      faults.settle()
      const timings = await timingReport(timing.rows, timing.now())
      const beside =
        flags.sidecar && held
          ? await writeSidecar(saved, { ...plan, ...held, session, member: saved.members?.[0] })
          : undefined
      tellSaved(this.teller(), saved, { ...plan, timings: flags.timings ? timings : undefined })
      if (beside !== undefined) this.print(beside)
      if (held?.volume.slicePositions !== undefined)
        this.talk(`note: the slices of ${saved.guid} are not evenly spaced; --sidecar says where they are`)
      return { ...saved, ...(beside === undefined ? {} : { sidecar: beside }), timings }
    } catch (error) {
      progress.end()
      faults.settle(error)
      throw error
    }
  }

  private teller(): Teller {
    return {
      print: (line) => this.print(line),
      talk: (line) => this.talk(line),
      isQuiet: this.jsonEnabled(),
    }
  }

  /** Files in a folder are called by GUID, which the catalog must first be asked for when another name was given. */
  private async stem(session: Session, name: NamedVolume['name'], kind: OutputPlan['kind']): Promise<string> {
    const { formatVolumeName } = await import('@mdm/core/names')
    if (kind !== 'folder' || 'guid' in name) return formatVolumeName(name)
    const { volumeRow } = await import('@mdm/core/access/metadata')
    return (await volumeRow(session, name, this.signal)).guid
  }
}
