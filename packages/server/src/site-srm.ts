import type { KeyObject } from 'node:crypto'
import { loadCredential, type Credential } from '@mdm/core/identity/credential'
import type { Audit } from './audit/audit.ts'
import type { Access } from './catalog/access.ts'
import type { Catalog } from './catalog/catalog.ts'
import type { Delivery } from './deliver/delivery.ts'
import { createDigests } from './deliver/digests.ts'
import { createApp, type AppOptions } from './http/app.ts'
import type { Registry } from './http/metrics/registry.ts'
import { serve, type Serving } from './http/serve.ts'
import type { Admission } from './site-admission.ts'
import type { SiteConfig } from './site-config.ts'
import { openEntries } from './srm/entries.ts'
import { openFiles } from './srm/files.ts'
import { soapRoutes } from './srm/operations/routes.ts'
import { measureRequests } from './srm/requests/measure.ts'
import { openRequests } from './srm/requests/open-requests.ts'
import { tapeRoutes } from './srm/tape/routes.ts'
import { turlRoutes } from './srm/turl.ts'
import { webdavRoutes } from './srm/webdav.ts'
import type { SiteStore } from './store/site-store.ts'

export interface SiteSrmOptions {
  readonly config: Pick<SiteConfig, 'site' | 'srm' | 'stopSeconds'>
  /** makes a path of the configuration absolute */
  readonly path: (relative: string) => string
  /** the site's own, where the storage element has no certificate of its own */
  readonly tls: Credential
  /** as the api's: one caller has one bucket, and is one person, on both */
  readonly app: Pick<AppOptions, 'identify' | 'log' | 'limit' | 'metrics' | 'refused'>
  readonly admission: Admission
  readonly db: SiteStore
  readonly delivery: Delivery
  readonly catalog: Catalog
  readonly access: Access
  readonly audit: Audit
  /** makes the tokens of transfer URLs, and nothing else */
  readonly turlKey: KeyObject
  readonly registry: Registry
  readonly now: () => Date
  readonly recheckMs?: number
}

/**
 * Opens the site as a storage element of the grid: wiring only, what it does is in srm/.
 *
 * @returns undefined where the configuration has no such listener
 * @throws MDM_CONFIG when a file is wrong, or the address cannot be listened on
 */
export async function startSiteSrm(o: SiteSrmOptions): Promise<Serving | undefined> {
  const { site, stopSeconds } = o.config
  const { host, port, listen, tls: own, limits } = o.config.srm
  if (listen === undefined) return undefined
  const tls =
    own === undefined
      ? o.tls
      : await loadCredential({ certificate: o.path(own.certificate), key: o.path(own.key) })
  const app = createApp({ ...o.app, tls, speaks: 'httpg' })
  const { db, delivery, catalog, access, audit, turlKey, now, admission } = o
  const digests = createDigests()
  const entries = openEntries({ catalog, access, delivery, digests })
  const { identify, requireAdmitted } = admission
  const rechecked = o.recheckMs === undefined ? {} : { recheckMs: o.recheckMs }
  const files = { delivery, catalog, access, audit, identify, entries, digests, ...rechecked }
  const base = `https://${host}:${port}`
  const requests = await openRequests({
    ...{ db, delivery, catalog, access, audit, turlKey, limits, now, requireAdmitted },
    base,
  })
  try {
    measureRequests(o.registry, requests)
    const { refused } = o.app
    webdavRoutes(app, { files: openFiles(files), entries, identify })
    turlRoutes(app, { requests, files })
    tapeRoutes(app, { requests, entries, site, base, refused })
    soapRoutes(app, { entries, requests, now, refused })
    const serving = await serve(app, { ...listen, graceMs: stopSeconds * 1000 })
    return {
      url: serving.url,
      async stop() {
        await serving.stop()
        await requests.close()
      },
    }
  } catch (error) {
    await requests.close()
    throw error
  }
}
