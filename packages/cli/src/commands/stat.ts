import type { VolumeStat } from '@mdm/core/wire/site'
import { Args } from '@oclif/core'
import { BaseCommand } from '../base-command.ts'
import { failuresOf, type Failure } from '../failures.ts'
import { readableBytes, table } from '../output.ts'

/** One row of the catalog, whole. */
export default class Stat extends BaseCommand {
  static override summary = 'show what the catalog knows of volumes'
  static override description =
    'Modality and shape are shown where you may read them, the SHA-256 of the plaintext where you may read the key. Nothing is fetched from the image source.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> GUID',
    '<%= config.bin %> <%= command.id %> LFN --json',
    '<%= config.bin %> ls --format guids | <%= config.bin %> <%= command.id %>',
  ]
  static override args = {
    name: Args.string({
      multiple: true,
      ignoreStdin: true,
      description: 'GUID, GUID@VERSION, LFN, SURL or instance:GUID; - reads names from stdin',
    }),
  }

  async run(): Promise<{ volumes: VolumeStat[]; errors?: Failure[] }> {
    const { args, flags } = await this.parse(Stat)
    const { namedVolumes } = await import('../name-input.ts')
    const names = await namedVolumes([args.name ?? []].flat(), { signal: this.signal })
    const { done, failures } = await this.withSession(flags, async (session) => {
      const { volumeRow } = await import('@mdm/core/access/metadata')
      return await failuresOf(
        names,
        (n) => n.text,
        (n) => volumeRow(session, n.name, this.signal),
        this.signal,
      )
    })
    this.print(done.map((volume) => table(['', ''], lines(volume)).replace(/^\s*\n/, '')).join('\n'))
    this.finish(failures)
    return { volumes: done, ...(failures.listed.length > 0 ? { errors: failures.listed } : {}) }
  }
}

function lines(volume: VolumeStat): [string, string][] {
  const { version, latest, shape, modality, plaintextSha256, goneSince } = volume
  return [
    ['GUID', volume.guid],
    ['version', latest === version ? String(version) : `${version} (${latest} is newer)`],
    ['LFN', volume.lfn],
    ['SURL', volume.surl],
    ...volume.replicas.filter((r) => r !== volume.surl).map((r): [string, string] => ['replica', r]),
    ['container', `${readableBytes(volume.bytes)} (${volume.bytes} bytes)`],
    ...(shape === undefined ? [] : [['shape', shape.join(' x ')] as [string, string]]),
    ...(modality === undefined ? [] : [['modality', modality] as [string, string]]),
    ['registered', volume.registered],
    ...(goneSince === undefined ? [] : [['gone from its source', goneSince] as [string, string]]),
    ...(plaintextSha256 === undefined
      ? []
      : [['SHA-256 of the plaintext', plaintextSha256] as [string, string]]),
  ]
}
