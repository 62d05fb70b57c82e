import type { SetStat } from '@mdm/core/wire/sets'
import type { VolumeStat } from '@mdm/core/wire/site'
import { Args } from '@oclif/core'
import { BaseCommand } from '../base-command.ts'
import { failuresOf, type Failure } from '../failures.ts'
import { readableBytes, table } from '../output.ts'

/** One row of the catalog, whole. */
export default class Stat extends BaseCommand {
  static override summary = 'show what the catalog knows of volumes and sets'
  static override description =
    'Modality and shape are shown where you may read them, the SHA-256 of the plaintext where you may read the key. A set is shown with its volumes, in order. Nothing is fetched from the image source.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> GUID',
    '<%= config.bin %> <%= command.id %> LFN --json',
    '<%= config.bin %> <%= command.id %> SET',
    '<%= config.bin %> ls --format guids | <%= config.bin %> <%= command.id %>',
  ]
  static override args = {
    name: Args.string({
      multiple: true,
      ignoreStdin: true,
      description: 'GUID, GUID@VERSION, LFN, SURL or instance:GUID; - reads names from stdin',
    }),
  }

  async run(): Promise<{ volumes: VolumeStat[]; sets: SetStat[]; errors?: Failure[] }> {
    const { args, flags } = await this.parse(Stat)
    const [{ namedVolumes }, { volumeOrSet }] = await Promise.all([
      import('../name-input.ts'),
      import('../volume-or-set.ts'),
    ])
    const names = await namedVolumes([args.name ?? []].flat(), { signal: this.signal })
    const { done, failures } = await this.withSession(flags, async (session) => {
      const { volumeRow } = await import('@mdm/core/access/metadata')
      return await failuresOf(
        names,
        (n) => n.text,
        ({ name }) =>
          volumeOrSet<Stated, Stated>(session, name, {
            volume: async () => ({ volume: await volumeRow(session, name, this.signal) }),
            set: async (set) => ({ set }),
            signal: this.signal,
          }),
        this.signal,
      )
    })
    this.print(done.map((one) => table(['', ''], linesOf(one)).replace(/^\s*\n/, '')).join('\n'))
    this.finish(failures)
    const volumes = done.flatMap((one) => ('volume' in one ? [one.volume] : []))
    const sets = done.flatMap((one) => ('set' in one ? [one.set] : []))
    return { volumes, sets, ...(failures.listed.length > 0 ? { errors: failures.listed } : {}) }
  }
}

type Stated = { readonly volume: VolumeStat } | { readonly set: SetStat }

function linesOf(one: Stated): [string, string][] {
  return 'set' in one ? setLines(one.set) : lines(one.volume)
}

function setLines(set: SetStat): [string, string][] {
  const { members, values, shape, modality, goneSince } = set
  const unit = set.unit === undefined ? '' : ` ${set.unit}`
  return [
    ['set', set.guid],
    ['version', versionOf(set)],
    ['axis', `${set.axis}, ${set.volumes} volumes`],
    ...(shape === undefined ? [] : [['shape of each', shape.join(' x ')] as [string, string]]),
    ...(modality === undefined ? [] : [['modality', modality] as [string, string]]),
    ...members.map(({ guid, version }, i): [string, string] => [
      values === undefined ? String(i) : `${set.axis} ${values[i]}${unit}`,
      `${guid}@${version}`,
    ]),
    ['registered', set.registered],
    ...(goneSince === undefined ? [] : [['gone from its source', goneSince] as [string, string]]),
  ]
}

function versionOf({ version, latest }: { version: number; latest: number }): string {
  return latest === version ? String(version) : `${version} (${latest} is newer)`
}

function lines(volume: VolumeStat): [string, string][] {
  const { shape, modality, plaintextSha256, goneSince, set } = volume
  return [
    ['GUID', volume.guid],
    ['version', versionOf(volume)],
    ['LFN', volume.lfn],
    ['SURL', volume.surl],
    ...volume.replicas.filter((r) => r !== volume.surl).map((r): [string, string] => ['replica', r]),
    ['container', `${readableBytes(volume.bytes)} (${volume.bytes} bytes)`],
    ...(shape === undefined ? [] : [['shape', shape.join(' x ')] as [string, string]]),
    ...(modality === undefined ? [] : [['modality', modality] as [string, string]]),
    ...(set === undefined ? [] : [['set', set] as [string, string]]),
    ['registered', volume.registered],
    ...(goneSince === undefined ? [] : [['gone from its source', goneSince] as [string, string]]),
    ...(plaintextSha256 === undefined
      ? []
      : [['SHA-256 of the plaintext', plaintextSha256] as [string, string]]),
  ]
}
