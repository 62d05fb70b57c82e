import { loadCredential, type Credential } from '@mdm/core/identity/credential'
import { openFiles, type FilesOptions } from './srm/files.ts'
import { openEntries, type EntriesOptions } from './srm/entries.ts'
import { webdavRoutes } from './srm/webdav.ts'
import { createDigests } from './deliver/digests.ts'
import { createApp, type AppOptions } from './http/app.ts'
import { serve, type Serving } from './http/serve.ts'
import type { SiteConfig } from './site-config.ts'

export interface SiteSrmOptions {
  readonly config: Pick<SiteConfig, 'srm' | 'stopSeconds'>
  /** makes a path of the configuration absolute */
  readonly path: (relative: string) => string
  /** the site's own, where the storage element has no certificate of its own */
  readonly tls: Credential
  /** as the api's: one caller has one bucket, and is one person, on both */
  readonly app: Pick<AppOptions, 'identify' | 'log' | 'limit' | 'metrics' | 'refused'>
  readonly delivery: FilesOptions['delivery'] & EntriesOptions['delivery']
  readonly catalog: FilesOptions['catalog'] & EntriesOptions['catalog']
  readonly access: FilesOptions['access'] & EntriesOptions['access']
  readonly audit: FilesOptions['audit']
}

/**
 * Opens the site as a storage element of the grid: wiring only, what it does is in srm/.
 *
 * @returns undefined where the configuration has no such listener
 * @throws MDM_CONFIG when a file is wrong, or the address cannot be listened on
 */
export async function startSiteSrm(o: SiteSrmOptions): Promise<Serving | undefined> {
  const { listen, tls: files } = o.config.srm
  if (listen === undefined) return undefined
  const tls =
    files === undefined
      ? o.tls
      : await loadCredential({ certificate: o.path(files.certificate), key: o.path(files.key) })
  const app = createApp({ ...o.app, tls, speaks: 'httpg' })
  const { delivery, catalog, access, audit } = o
  const digests = createDigests()
  const entries = openEntries({ catalog, access, delivery, digests })
  const containers = { ...{ delivery, catalog, access, audit }, identify: o.app.identify }
  webdavRoutes(app, { files: openFiles({ ...containers, entries, digests }), entries })
  return await serve(app, { ...listen, graceMs: o.config.stopSeconds * 1000 })
}
