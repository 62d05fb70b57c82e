import { MdmError } from '@mdm/core/errors'
import { fileURLToPath } from 'node:url'
import type { SourceConfig } from '../source-config.ts'
import type { DicomSource } from '../source.ts'
import { folderSource } from './folder.ts'

/** @throws MDM_CONFIG for a kind of source that is not known */
export function openSource({ name, url }: Pick<SourceConfig, 'name' | 'url'>): DicomSource {
  if (!/^[a-z][a-z0-9+.-]+:/i.test(url)) return folderSource(name, url)
  if (url.startsWith('file:') && URL.canParse(url)) return folderSource(name, fileURLToPath(url))
  throw new MdmError('MDM_CONFIG', `source ${name}: only folders (file:) can be a source in this version`)
}
