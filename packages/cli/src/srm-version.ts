import type { ClientConfig } from '@mdm/core/config'

const TIMEOUT_MS = 8_000

/**
 * Asks an SRM service for the version that it speaks, as this user and with what he trusts: that it answers is all it can show.
 *
 * @throws MDM_UNREACHABLE | MDM_PEER | MDM_DENIED, and what the configuration lacks
 */
export async function srmVersion(config: ClientConfig, url: string): Promise<string> {
  const [{ openStorage }, { parseEndpoint }] = await Promise.all([
    import('@mdm/core/access/storage'),
    import('@mdm/core/grid/srm/srm-url'),
  ])
  const storage = await openStorage(config)
  try {
    return await storage.service(parseEndpoint(url)).ping(AbortSignal.timeout(TIMEOUT_MS))
  } finally {
    await storage.close()
  }
}
