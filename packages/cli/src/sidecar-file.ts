import type { SavedFile } from '@mdm/core/access/save'
import type { Session } from '@mdm/core/access/session'
import { MdmError } from '@mdm/core/errors'
import type { Guid } from '@mdm/core/names'
import { EXTENSIONS, type FormatName } from '@mdm/core/volume/formats/names'
import type { SeriesAxis, Volume } from '@mdm/core/volume/volume'
import type { OutputPlan } from './output-plan.ts'

/** @throws MDM_USAGE where there is no file to write a sidecar beside */
export function requireSidecarPlace(plan: OutputPlan): void {
  if (plan.level === 'raw')
    throw new MdmError('MDM_USAGE', 'a raw container has no sidecar: that needs --level decrypt')
  if (plan.kind === 'stdout') throw new MdmError('MDM_USAGE', 'stdout has no sidecar: use -o FILE')
}

/** What the sidecar of a file is called: the ending of a volume becomes .json, as in BIDS. */
export function sidecarPath(file: string): string {
  const ending = Object.values(EXTENSIONS)
    .toSorted((a, b) => b.length - a.length)
    .find((extension) => file.toLowerCase().endsWith(extension))
  return `${ending === undefined ? file : file.slice(0, -ending.length)}.json`
}

/**
 * Writes the sidecar of a saved file; it appears whole or not at all.
 *
 * @param o.session asks the site for metadata; without it only what the volume says is written
 * @param o.member  of a set, which has no metadata of its own: the volume whose rows count for all
 * @returns path of the sidecar
 */
export async function writeSidecar(
  file: Pick<SavedFile, 'guid' | 'version' | 'path' | 'sha256'>,
  o: {
    volume: Volume
    format: FormatName
    axis?: SeriesAxis
    session?: Session
    member?: { guid: Guid; version: number } | undefined
  },
): Promise<string> {
  const [{ metadataOf }, { writeWhole }, { sidecar }] = await Promise.all([
    import('@mdm/core/access/metadata'),
    import('@mdm/core/access/whole-file'),
    import('@mdm/core/volume/sidecar/sidecar'),
  ])
  const { guid, version, sha256 } = file
  const { tables } = o.session === undefined ? {} : await metadataOf(o.session, o.member ?? { guid, version })
  const facts = sidecar({ guid, version, sha256, volume: o.volume, format: o.format, axis: o.axis, tables })
  const path = sidecarPath(file.path)
  const content = async function* () {
    yield Buffer.from(`${JSON.stringify(facts, undefined, 2)}\n`)
  }
  await writeWhole(path, content())
  return path
}
