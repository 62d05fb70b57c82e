import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Finding } from '@mdm/core/findings'
import { createCa, issueCertificate, type Issued } from '@mdm/core/identity/ca'
import { openLog } from '../../../packages/server/src/http/log.ts'
import type { Serving } from '../../../packages/server/src/http/serve.ts'
import { startKeyServer, trustRoster } from '../../../packages/server/src/keys.ts'
import { initSite, type InitedSite } from '../../../packages/server/src/provision/init-site.ts'
import {
  provisionKeyServer,
  type ProvisionedKeyServer,
} from '../../../packages/server/src/provision/key-server.ts'
import { freePorts } from '../../../packages/server/src/provision/ports.ts'
import { startSite } from '../../../packages/server/src/site.ts'

const HOST = '127.0.0.1'
const log = openLog({ level: 'silent' })

/** A site and five key servers, made as their operators make them, in this process. */
export interface Installation {
  readonly dir: string
  readonly source: string
  readonly site: InitedSite
  readonly keyServers: readonly ProvisionedKeyServer[]
  /** PEM files */
  readonly ca: string
  readonly administrator: string
  /** PEM of the private key of the CA */
  readonly caKey: string
  readonly running: { site: Serving | undefined; keys: (Serving | undefined)[] }
  startSite(): Promise<void>
  stopSite(): Promise<void>
  startKeys(i: number): Promise<void>
  stopKeys(i: number): Promise<void>
}

/** Makes it and starts the key servers; the site is the test's to start. */
export async function makeInstallation(t: Test): Promise<Installation> {
  const dir = await mkdtemp(join(tmpdir(), 'mdm-check-'))
  const source = join(dir, 'images')
  await mkdir(source)
  const ports = await freePorts(HOST, 6)
  const keyServers = await Promise.all(
    [1, 2, 3, 4, 5].map((i) =>
      provisionKeyServer(join(dir, `keys-${i}`), {
        host: HOST,
        port: ports[i]!,
        operator: `Lab ${i}`,
        comments: true,
      }),
    ),
  )
  const { ca, user, pair } = await makePeople(dir, 'Lab CA')
  const site = await initSite(join(dir, 'site'), {
    ...{ site: 'example', host: HOST, port: ports[0]!, source, threshold: 3, nameSpaces: [] },
    ...{ keyServers: keyServers.map(({ serverFile }) => serverFile), cas: [ca], administrators: [user] },
  })
  for (const { config } of keyServers) await trustRoster(config, site.rosterFile, site.fingerprint)
  const running: Installation['running'] = { site: undefined, keys: [] }
  const made: Installation = {
    ...{ dir, source, site, keyServers, ca, administrator: user, running },
    caKey: pair.key,
    async startSite() {
      running.site ??= await startSite(site.config, { log })
    },
    async stopSite() {
      await running.site?.stop()
      running.site = undefined
    },
    async startKeys(i) {
      running.keys[i] ??= await startKeyServer(keyServers[i]!.config, { log })
    },
    async stopKeys(i) {
      await running.keys[i]?.stop()
      running.keys[i] = undefined
    },
  }
  t.teardown(async () => {
    await made.stopSite()
    await Promise.all(keyServers.map((_, i) => made.stopKeys(i)))
    await rm(dir, { recursive: true, force: true })
  })
  await Promise.all(keyServers.map((_, i) => made.startKeys(i)))
  return made
}

/** A CA and a user of it, as PEM files. */
export async function makePeople(
  dir: string,
  name: string,
): Promise<{ ca: string; user: string; pair: Issued }> {
  const ca = await createCa({ dn: `CN=${name},O=Example Hospital`, days: 3650 })
  const issued = await issueCertificate({
    ca,
    dn: 'CN=Ann Lee,O=Example Hospital',
    days: 365,
    usage: 'client',
  })
  const write = async (file: string, text: string) => {
    await writeFile(join(dir, file), text)
    return join(dir, file)
  }
  const word = name.toLowerCase().replaceAll(' ', '-')
  return {
    ca: await write(`${word}.pem`, ca.certificate),
    user: await write(`${word}-user.pem`, issued.certificate),
    pair: ca,
  }
}

/** What is not well, as "level name". */
export function illOf(findings: readonly Finding[]): string[] {
  return findings.filter(({ level }) => level !== 'ok').map(({ level, name }) => `${level} ${name}`)
}

/** The findings of a name that are not well. */
export function named(findings: readonly Finding[], name: string): Finding[] {
  return findings.filter((finding) => finding.name === name && finding.level !== 'ok')
}
