import { readFile } from 'node:fs/promises'
import { MdmError } from '@mdm/core/errors'
import { readSecretFile } from '../../secret-file.ts'
import type { SourceConfig } from '../source-config.ts'
import { createBudget, type Budget } from './budget.ts'

/** What a PACS needs besides its URL, with the files of the configuration read. */
export interface ServerOptions {
  readonly tls?: {
    readonly ca: Buffer
    readonly cert?: Buffer
    readonly key?: Buffer
    /** name that the certificate must have; the host of the URL where absent */
    readonly servername?: string
  }
  readonly credentials?: { readonly user: string; readonly password: string }
  readonly budget: Budget
  readonly timeouts: {
    readonly connectMs: number
    readonly associationMs: number
    readonly inactivityMs: number
  }
}

/** @throws MDM_CONFIG when a file cannot be read, or a secret one is open to others */
export async function readServerOptions(config: SourceConfig): Promise<ServerOptions> {
  const { tls, credentials } = config
  return {
    budget: createBudget(config.associations),
    timeouts: {
      connectMs: config.connectSeconds * 1000,
      associationMs: config.associationSeconds * 1000,
      inactivityMs: config.inactivitySeconds * 1000,
    },
    ...(tls !== undefined && { tls: await readTls(config.name, tls) }),
    ...(credentials !== undefined && { credentials: await readCredentials(config.name, credentials) }),
  }
}

async function readTls(name: string, tls: NonNullable<SourceConfig['tls']>): Promise<ServerOptions['tls']> {
  if ((tls.certificate === undefined) !== (tls.key === undefined))
    throw new MdmError('MDM_CONFIG', `source ${name}: "certificate" and "key" of "tls" go together`)
  const read = async (file: string): Promise<Buffer> =>
    await readFile(file).catch((cause: unknown) => {
      throw new MdmError('MDM_CONFIG', `source ${name}: a file of "tls" cannot be read`, { cause })
    })
  return {
    ca: await read(tls.ca),
    ...(tls.certificate !== undefined && { cert: await read(tls.certificate) }),
    ...(tls.key !== undefined && { key: await readSecretFile(tls.key) }),
    ...(tls.serverName !== undefined && { servername: tls.serverName }),
  }
}

async function readCredentials(name: string, file: string): Promise<ServerOptions['credentials']> {
  const text = (await readSecretFile(file)).toString('utf8')
  const [, user, password] = /^([^:\r\n]+):([^\r\n]+)\r?\n?$/.exec(text) ?? []
  if (user === undefined || password === undefined)
    throw new MdmError('MDM_CONFIG', `source ${name}: "credentials" is not one line user:password`)
  return { user, password }
}
