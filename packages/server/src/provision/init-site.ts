import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { MdmError } from '@mdm/core/errors'
import { SiteId } from '@mdm/core/names'
import type { Listen } from '../config.ts'
import type { Address } from './address.ts'
import { caEntry, readAdministrator, readUserCa } from './people.ts'
import { readServerFile } from './server-file.ts'
import { provisionSite, type ProvisionedSite } from './site.ts'

/** What SURLs say where the site is no storage element yet, so that it can become one. */
const SRM_PORT = 8443

/** What an operator says of a new site; paths as he typed them. */
export interface InitSiteOptions extends Address {
  readonly site: string
  readonly listen?: Listen
  /** where grid clients are listened to, at the address of `listen`, and what SURLs say */
  readonly srmPort?: number
  readonly source: string
  /** server.json of every key server */
  readonly keyServers: readonly string[]
  readonly threshold: number
  /** certificates of the CAs of users, PEM */
  readonly cas: readonly string[]
  /** names below which these CAs may name users; the CA's own name without its CN when there are none */
  readonly nameSpaces: readonly string[]
  /** certificates of the founding administrators, PEM */
  readonly administrators: readonly string[]
  readonly store?: string
}

export interface InitedSite extends ProvisionedSite {
  readonly keyServers: readonly { readonly id: string; readonly url: string }[]
}

/**
 * Makes a site from what its operator gathered: everything is read and verified before anything is written.
 *
 * @throws MDM_USAGE for what is missing or does not fit; MDM_CONFIG for a file that is not what it should be
 * @throws MDM_UNAUTHENTICATED | MDM_CREDENTIAL_EXPIRED for an administrator whom the CA would not let in
 * @throws MDM_CONFLICT when the folder is not empty
 */
export async function initSite(dir: string, o: InitSiteOptions): Promise<InitedSite> {
  const site = SiteId.safeParse(o.site)
  if (!site.success)
    throw new MdmError('MDM_USAGE', 'the site name is not one: lower case letters, digits and dashes')
  const source = await stat(o.source).catch(() => undefined)
  if (source?.isDirectory() !== true) throw new MdmError('MDM_USAGE', 'the folder of --source is not there')
  const servers = await Promise.all(o.keyServers.map(readServerFile))
  requireQuorum(
    servers.map(({ server }) => server.id),
    o.threshold,
  )
  const cas = await Promise.all(o.cas.map((file) => readUserCa(file, o.nameSpaces)))
  const administrators = await Promise.all(o.administrators.map((file) => readAdministrator(file, cas)))
  const operators = servers.flatMap(({ server, operator }) =>
    operator === undefined ? [] : [[server.id, operator] as const],
  )
  const provisioned = await provisionSite(resolve(dir), {
    ...{ site: site.data, host: o.host, port: o.port, comments: true },
    srm:
      o.srmPort === undefined
        ? { port: SRM_PORT }
        : { port: o.srmPort, listen: { host: (o.listen ?? o).host, port: o.srmPort } },
    ...{ threshold: o.threshold, source: resolve(o.source), administrators },
    userCas: cas.map(caEntry),
    keyServers: servers.map(({ server }) => server),
    operators: Object.fromEntries(operators),
    ...(o.listen === undefined ? {} : { listen: o.listen }),
    ...(o.store === undefined ? {} : { store: o.store }),
  })
  return {
    ...provisioned,
    keyServers: servers.map(({ server: { id, url } }) => ({ id, url })),
  }
}

function requireQuorum(ids: readonly string[], threshold: number): void {
  if (ids.length < 3 || ids.length > 32)
    throw new MdmError('MDM_USAGE', 'a site has 3 to 32 key servers: give --key-server for each')
  if (new Set(ids).size < ids.length)
    throw new MdmError(
      'MDM_USAGE',
      'the same key server is given twice: every one has a server.json of its own',
    )
  if (!(threshold >= 2 && threshold < ids.length))
    throw new MdmError('MDM_USAGE', 'the threshold is 2 or more and less than the number of key servers')
}
