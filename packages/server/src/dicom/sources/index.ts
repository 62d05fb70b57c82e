import { MdmError } from '@mdm/core/errors'
import { fileURLToPath } from 'node:url'
import type { SourceConfig } from '../source-config.ts'
import type { DicomSource } from '../source.ts'
import type { Arrivals } from './arrivals.ts'
import { dicomwebSource } from './dicomweb.ts'
import { dimseSource } from './dimse.ts'
import { folderSource } from './folder.ts'
import { readServerOptions } from './server-options.ts'

/** What `openSource` opens: a configuration whose paths are absolute, as absoluteSource() makes them. */
type Open = (
  config: SourceConfig,
  o: { arrivals?: Arrivals | undefined },
) => DicomSource | Promise<DicomSource>

const dicomweb: Open = async (config) => {
  const { name, url, retrieve = [] } = config
  if (retrieve.some((method) => method !== 'wado-rs'))
    throw new MdmError('MDM_CONFIG', `source ${name}: over DICOMweb "retrieve" can only be wado-rs`)
  return dicomwebSource(name, url, await readServerOptions(config))
}
const dimse: Open = async (config, o) => dimseSource(config, { ...(await readServerOptions(config)), ...o })

/** By the scheme of the URL; a path is a folder. */
const KINDS: Readonly<Record<string, Open>> = {
  file: ({ name, url }) => folderSource(name, folderOf(name, url)),
  dicom: dimse,
  dicoms: dimse,
  'dicomweb+https': dicomweb,
  'dicomweb+http': dicomweb,
}

/**
 * Opens a source. Nothing is asked of a server before its first use.
 *
 * @param o `arrivals`: where the objects of a C-MOVE arrive, if the site has a listener
 * @throws MDM_CONFIG for a kind of source that is not known, or what is wrong with its configuration
 */
export async function openSource(
  config: SourceConfig,
  o: { arrivals?: Arrivals | undefined } = {},
): Promise<DicomSource> {
  const open = KINDS[kindOf(config.url)]
  if (open !== undefined) return await open(config, o)
  const known = 'file:, dicom:, dicoms:, dicomweb+https:'
  throw new MdmError('MDM_CONFIG', `source ${config.name}: the kind of "url" is none of ${known}`)
}

/** `file`, or the scheme of the URL. */
export function kindOf(url: string): string {
  return /^([a-z][a-z0-9+.-]+):/i.exec(url)?.[1]?.toLowerCase() ?? 'file'
}

/** The configuration with its paths made absolute. */
export function absoluteSource(config: SourceConfig, path: (relative: string) => string): SourceConfig {
  const { url, tls, credentials } = config
  return {
    ...config,
    url: /^[a-z][a-z0-9+.-]+:/i.test(url) ? url : path(url),
    ...(credentials !== undefined && { credentials: path(credentials) }),
    ...(tls !== undefined && {
      tls: {
        ...tls,
        ca: path(tls.ca),
        ...(tls.certificate !== undefined && { certificate: path(tls.certificate) }),
        ...(tls.key !== undefined && { key: path(tls.key) }),
      },
    }),
  }
}

/** @throws MDM_CONFIG */
function folderOf(name: string, url: string): string {
  if (!/^file:/i.test(url)) return url
  try {
    return fileURLToPath(url)
  } catch (cause) {
    throw new MdmError('MDM_CONFIG', `source ${name}: "url" is no folder of this machine`, { cause })
  }
}
