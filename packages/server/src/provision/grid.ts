import { X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { MdmError } from '@mdm/core/errors'
import { createCa, issueHostCertificate } from '@mdm/core/identity/ca'
import { displayDn, parseDn } from '@mdm/core/identity/dn'
import { SiteId } from '@mdm/core/names'
import { trustRoster } from '../keys.ts'
import { urlOf } from './address.ts'
import { newFolder } from './folder.ts'
import { provisionKeyServer } from './key-server.ts'
import { freePorts } from './ports.ts'
import { provisionSite } from './site.ts'
import { provisionUser, type ProvisionedUser } from './user.ts'

/** The users of paper 5.2: who runs the grid, who treats, who computes, who copies, and who has no right at all. */
export const USERS = ['admin', 'physician', 'scientist', 'backup', 'stranger'] as const

const HOST = '127.0.0.1'
/** Grid clients compare names: one that every system gives the address of HOST. */
const SRM_HOST = 'localhost'
const CA_DAYS = 3650

export interface GridOptions {
  readonly site: string
  /** n: 3 or more */
  readonly keyServers: number
  /** m: 2 <= m < n */
  readonly threshold: number
  /** folder of DICOM files the site reads */
  readonly source?: string
  /** what comes into the folder is registered by itself; false unless told, so that trials show each step */
  readonly live?: boolean
}

/** What `mdm-server provision grid --json` prints. */
export interface ProvisionedGrid {
  readonly dir: string
  readonly site: {
    readonly api: string
    /** https://host:port of the storage element, as its SURLs say it */
    readonly srm: string
    readonly dir: string
    readonly config: string
  }
  readonly keyServers: readonly {
    readonly url: string
    readonly dir: string
    readonly config: string
    readonly id: string
  }[]
  readonly users: Readonly<Record<string, { readonly config: string; readonly dn: string }>>
}

/**
 * Makes all that a grid on one machine needs, on free loopback ports: CA, users, key servers, site, and its roster, accepted by
 * its fingerprint at every key server and by every user. Nothing is started.
 *
 * @throws MDM_CONFLICT when the folder is not empty; MDM_USAGE when the numbers do not fit or the source is not there
 */
export async function provisionGrid(dir: string, o: GridOptions): Promise<ProvisionedGrid> {
  const root = resolve(dir)
  const site = SiteId.safeParse(o.site)
  if (!site.success)
    throw new MdmError('MDM_USAGE', 'the site name is not one: lower case letters, digits and dashes')
  if (!(o.threshold >= 2 && o.threshold < o.keyServers && o.keyServers <= 32)) {
    throw new MdmError(
      'MDM_USAGE',
      'the threshold must be 2 or more and less than the number of key servers, which is 32 at most',
    )
  }
  if (o.source !== undefined && !existsSync(o.source))
    throw new MdmError('MDM_USAGE', 'the source folder is not there')
  await requireEmpty(root, o.source)
  const organisation = `O=MDM ${site.data}`
  const [ports, ca] = await Promise.all([
    freePorts(HOST, o.keyServers + 2),
    createCa({ dn: `CN=User CA,${organisation}`, days: CA_DAYS }),
  ])
  const srmPort = ports.at(-2)!
  const caFolder = await newFolder(join(root, 'ca'))
  await caFolder.write('ca.pem', ca.certificate)
  await caFolder.write('ca.key', ca.key)
  const [keyServers, users] = await Promise.all([
    Promise.all(
      Array.from({ length: o.keyServers }, (_, i) =>
        provisionKeyServer(join(root, `keys-${i + 1}`), { host: HOST, port: ports[i]! }),
      ),
    ),
    Promise.all(
      USERS.map((name) =>
        provisionUser(join(root, 'users', name), { name, dn: `CN=${name},${organisation}`, ca }),
      ),
    ),
  ])
  const provisioned = await provisionSite(join(root, 'site'), {
    site: site.data,
    host: HOST,
    port: ports.at(-1)!,
    srm: {
      ...{ host: SRM_HOST, port: srmPort, listen: { host: HOST, port: srmPort } },
      certify: async (key) => {
        const dn = `CN=host/${SRM_HOST},${organisation}`
        const names = { dn, hosts: [SRM_HOST, HOST] }
        return (await issueHostCertificate({ ca, ...names, days: CA_DAYS, key })).certificate
      },
    },
    userCas: [
      {
        certificate: new X509Certificate(ca.certificate).raw.toString('base64'),
        nameSpaces: [parseDn(organisation)],
      },
    ],
    administrators: users.filter((user) => user.name === 'admin').map(administrator),
    keyServers: keyServers.map((server) => server.entry),
    threshold: o.threshold,
    live: o.live ?? false,
    ...(o.source === undefined ? {} : { source: resolve(o.source) }),
  })
  const { roster, fingerprint, api, config } = provisioned
  const rosterFile = await caFolder.write(`${site.data}.roster.jws`, `${roster}\n`)
  for (const server of keyServers) await trustRoster(server.config, rosterFile, fingerprint)
  const configs = await Promise.all(users.map((user) => user.trust(roster, fingerprint)))
  return {
    dir: root,
    site: { api, srm: urlOf({ host: SRM_HOST, port: srmPort }), dir: provisioned.dir, config },
    keyServers: keyServers.map((server) => ({
      url: server.entry.url,
      dir: server.dir,
      config: server.config,
      id: server.entry.id,
    })),
    users: Object.fromEntries(
      users.map((user, i) => [user.name, { config: configs[i]!, dn: displayDn(user.identity.dn) }]),
    ),
  }
}

/** A folder that holds nothing but the images to serve is empty enough. */
async function requireEmpty(root: string, source: string | undefined): Promise<void> {
  await mkdir(root, { recursive: true, mode: 0o700 })
  const others = (await readdir(root)).filter(
    (name) => source === undefined || join(root, name) !== resolve(source),
  )
  if (others.length > 0) throw new MdmError('MDM_CONFLICT', 'the folder to provision is not empty')
}

function administrator({ identity: { dn, issuer, spki } }: ProvisionedUser) {
  return { dn, issuer, spki }
}
