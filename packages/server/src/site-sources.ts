import type { SourceRow } from '@mdm/core/wire/site'
import type { SourceConfig } from './dicom/source-config.ts'
import type { DicomSource } from './dicom/source.ts'
import type { Arrivals } from './dicom/sources/arrivals.ts'
import { absoluteSource, kindOf, openSource } from './dicom/sources/index.ts'
import { noteRefusals } from './dicom/sources/refusals.ts'

/** The sources of a site. */
export interface OpenedSources {
  readonly byName: ReadonlyMap<string, DicomSource>
  /** what administrators see of them */
  readonly rows: readonly SourceRow[]
  close(): Promise<void>
}

/**
 * Opens the sources of a site; no server is asked anything before it is used.
 *
 * @param o `path` makes a path of the configuration absolute; `through`: what sources are used through; `arrivals`: where
 *          the objects of a C-MOVE arrive; `refused` hears of a server that will not have us, or is not the one we know
 * @throws MDM_CONFIG
 */
export async function openSources(
  configs: readonly SourceConfig[],
  o: {
    path: (relative: string) => string
    through?: ((source: DicomSource) => DicomSource) | undefined
    arrivals?: Arrivals | undefined
    refused?: (source: string) => void
  },
): Promise<OpenedSources> {
  const opened: DicomSource[] = []
  const close = async (): Promise<void> => {
    await Promise.all(opened.map((source) => source.close()))
  }
  try {
    for (const config of configs)
      opened.push(await openSource(absoluteSource(config, o.path), { arrivals: o.arrivals }))
  } catch (error) {
    await close()
    throw error
  }
  const use = (source: DicomSource): DicomSource => {
    const noted = noteRefusals(source, () => o.refused?.(source.name))
    return o.through?.(noted) ?? noted
  }
  const byName = new Map(opened.map((source) => [source.name, use(source)]))
  return { byName, rows: configs.map(rowOf), close }
}

function rowOf({ name, url }: SourceConfig): SourceRow {
  const kind = kindOf(url)
  if (kind === 'file') return { name, kind: 'folder' }
  const { username, host, pathname } = new URL(url)
  const server = kind.startsWith('dicomweb')
    ? `${host}${pathname}`
    : `${decodeURIComponent(username)}@${host}`
  return { name, kind: kind.replace(/\+.*$/, ''), server }
}
