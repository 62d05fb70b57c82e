import { createPrivateKey, type KeyObject } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { AclEntry } from '@mdm/core/acl/statement'
import { signFounding } from '@mdm/core/acl/statement'
import { loadConfig, trustedRoster } from '@mdm/core/config'
import { createFileKey } from '@mdm/core/crypto/file-key'
import { spkiDigest } from '@mdm/core/crypto/spki'
import { Peer } from '@mdm/core/grid/http'
import { loadCredential, type Credential } from '@mdm/core/identity/credential'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import { newGuid, newKid, type Guid, type Kid, type KeyServerId, type SiteId } from '@mdm/core/names'
import { putShare } from '@mdm/core/wire/key-server'
import { openLog } from '../../../packages/server/src/http/log.ts'
import {
  serveWithoutWitness,
  startKeyServer,
  type RunningKeyServer,
} from '../../../packages/server/src/keys.ts'
import { provisionGrid, type ProvisionedGrid } from '../../../packages/server/src/provision/grid.ts'
import { isPostgresUrl } from '../../../packages/server/src/store/postgres.ts'
import { psqlRows, usePostgres } from '../../fixtures/postgres.ts'

export type Signer = { kid: string; key: KeyObject }

/** A provisioned site with three key servers, of which none runs yet. */
export interface Grid {
  readonly made: ProvisionedGrid
  readonly site: SiteId
  readonly roster: TrustedRoster
  readonly signer: Signer
  readonly service: Credential
  readonly users: Readonly<Record<string, Credential>>
}

export async function makeGrid(dir: string, site = 'demo'): Promise<Grid> {
  const made = await provisionGrid(dir, { site, keyServers: 3, threshold: 2 })
  await usePostgres(made)
  const load = async (name: string) => {
    const config = await loadConfig({ config: made.users[name]!.config })
    return [name, await loadCredential(config.credential!)] as const
  }
  const roster = await trustedRoster(await loadConfig({ config: made.users.admin!.config }))
  const key = createPrivateKey(readFileSync(join(made.site.dir, 'signing.key')))
  return {
    made,
    site: roster.body.site,
    roster,
    signer: { kid: roster.signers[0]!.kid, key },
    service: await loadCredential({
      certificate: join(made.site.dir, 'tls.pem'),
      key: join(made.site.dir, 'tls.key'),
    }),
    users: Object.fromEntries(await Promise.all(Object.keys(made.users).map(load))),
  }
}

/** Says as the operator that a server starts alone: nobody else of its grid runs. */
async function startsAlone(grid: Grid, index: number): Promise<void> {
  const { config, id } = grid.made.keyServers[index]!
  const others = grid.roster.body.keyServers.filter((server) => server.id !== id)
  for (const witness of ['site', ...others.map((server) => server.id)])
    await serveWithoutWitness(config, { witness, reason: 'a test of one server' })
}

/** Starts one key server of a grid, which serves without having asked the others; `clock` may be moved by the test. */
export async function startServer(
  t: Pick<Test, 'teardown'>,
  grid: Grid,
  index = 0,
  clock: { now?: Date } = {},
): Promise<RunningKeyServer> {
  await startsAlone(grid, index)
  const server = await startKeyServer(grid.made.keyServers[index]!.config, {
    now: () => clock.now ?? new Date(),
    log: openLog({ level: 'silent' }),
  })
  let running = true
  const stop = async () => {
    if (running) await server.stop()
    running = false
  }
  t.teardown(stop)
  return { ...server, stop }
}

/** A caller's connection to a key server, its key pinned as the roster says. */
export function peerOf(
  t: Pick<Test, 'teardown'>,
  grid: Grid,
  credential: { certificate: string; key: string },
  index = 0,
): Peer {
  const { url, tls } = grid.roster.body.keyServers[index]!
  const pins = tls.map((entry) => spkiDigest(Buffer.from(entry.spki, 'base64')))
  const peer = new Peer({ url, pins, credential })
  t.teardown(() => peer.close())
  return peer
}

export const principalOf = ({ identity: { dn, issuer } }: Credential) => ({
  kind: 'user' as const,
  dn,
  issuer,
})

export const reader = (credential: Credential, versions: AclEntry['versions'] = 'all'): AclEntry => ({
  to: principalOf(credential),
  rights: ['read'],
  versions,
})

export interface Volume {
  readonly guid: Guid
  readonly kid: Kid
  readonly version: number
  readonly epoch: number
  readonly manifest: string
  readonly founding: string
  readonly shares: readonly Buffer[]
  readonly fileKey: KeyObject
}

export interface VolumeOptions {
  readonly guid?: Guid
  readonly kid?: Kid
  readonly version?: number
  readonly epoch?: number
  readonly entries?: readonly AclEntry[]
  readonly signer?: Signer
  readonly site?: SiteId
  readonly servers?: readonly KeyServerId[]
  readonly fileKey?: KeyObject
  readonly founding?: string
}

/** Makes a file key, its shares, manifest and founding statement, as a site does at registration. */
export async function makeVolume(grid: Grid, o: VolumeOptions = {}): Promise<Volume> {
  const {
    guid = newGuid(),
    kid = newKid(),
    version = 1,
    epoch = 1,
    signer = grid.signer,
    site = grid.site,
  } = o
  const servers = o.servers ?? grid.roster.body.keyServers.map((server) => server.id)
  const rest = o.fileKey === undefined ? {} : { fileKey: o.fileKey }
  const made = await createFileKey({
    site,
    guid,
    version,
    kid,
    epoch,
    m: 2,
    n: servers.length,
    servers,
    signer,
    ...rest,
  })
  const service: AclEntry = { to: { kind: 'service', site }, rights: ['read'], versions: 'all' }
  const entries = o.entries ?? [service, reader(grid.users.physician!)]
  const founding =
    o.founding ?? (await signFounding({ site, guid, object: 'key', entries, signer, now: new Date() }))
  return { guid, kid, version, epoch, founding, ...made }
}

/** Puts the share of one server. */
export async function put(
  peer: Peer,
  volume: Volume,
  o: { share?: Buffer; index?: number } = {},
): Promise<void> {
  const { guid, kid, epoch, manifest, founding } = volume
  const share = (o.share ?? volume.shares[o.index ?? 0]!).toString('base64')
  await peer.call(putShare, { params: { guid, kid, epoch }, body: { share, manifest, founding } })
}

/** The audit log of a key server, line by line. */
export function auditOf(grid: Grid, index = 0): Record<string, any>[] {
  return readFileSync(join(grid.made.keyServers[index]!.dir, 'audit.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, any>)
}

/** Everything that the first key server has stored, as it lies there. */
export function storedBytes({ made }: Grid): Buffer {
  const { dir, config } = made.keyServers[0]!
  const { store } = JSON.parse(readFileSync(config, 'utf8')) as { store: string }
  if (isPostgresUrl(store)) {
    const rows = psqlRows(store, 'select * from share')
    return Buffer.concat(
      rows.flatMap((row) => [
        Buffer.from(JSON.stringify(row)),
        Buffer.from(String(row['sealed']).slice(2), 'hex'),
      ]),
    )
  }
  const names = readdirSync(dir).filter((name) => name.startsWith(store))
  return Buffer.concat(names.map((name) => readFileSync(join(dir, name))))
}
