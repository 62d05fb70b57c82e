import { trustedRoster, type ClientConfig } from '../config.ts'
import { StorageConnections } from '../grid/srm/connections.ts'
import { DEFAULT_CA_FOLDER, readCaFolder } from '../grid/srm/ca-folder.ts'
import { SrmService } from '../grid/srm/service.ts'
import type { SrmEndpoint } from '../grid/srm/srm-url.ts'
import { SiteId } from '../names.ts'
import { ownCredential } from './own-credential.ts'

/** Storage services as one user reaches them: no roster is needed for those whose CA is known. */
export interface Storage {
  readonly connections: StorageConnections
  service(endpoint: SrmEndpoint): SrmService
  close(): Promise<void>
}

export interface StorageOptions {
  readonly connectTimeoutMs?: number
  /** longest silence of a server */
  readonly idleTimeoutMs?: number
}

/**
 * Opens the way to storage services with the configured credential, CAs and rosters; nothing is sent yet.
 *
 * @throws MDM_CONFIG | MDM_CREDENTIAL_EXPIRED | MDM_ROSTER
 */
export async function openStorage(config: ClientConfig, o: StorageOptions = {}): Promise<Storage> {
  const credential = await ownCredential(config)
  const [cas, rosters] = await Promise.all([
    readCaFolder(config.caDir ?? DEFAULT_CA_FOLDER),
    Promise.all(Object.keys(config.sites).map((site) => trustedRoster(config, SiteId.parse(site)))),
  ])
  const pins = new Set(rosters.flatMap(({ services }) => [...services]))
  const connections = new StorageConnections({ credential, trust: { cas, pins }, ...o })
  return {
    connections,
    service: (endpoint) => new SrmService(endpoint, connections),
    close: () => connections.close(),
  }
}
