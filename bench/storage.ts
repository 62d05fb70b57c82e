import { generateKeyPairSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadCredential } from '@mdm/core/identity/credential'
import { parseDn } from '@mdm/core/identity/dn'
import { delegate } from '@mdm/core/identity/proxy/delegate'
import { HTTPG_TLS } from '../packages/server/src/http/httpg.ts'
import { joinGridCa } from '../test/fixtures/peers/grid-ca.ts'
import {
  CA_DN,
  makeGridPki,
  RADIOLOGIST,
  VO,
  type GridPki,
  type Issued,
} from '../test/fixtures/peers/grid-pki.ts'
import type { Lifetime } from '../test/fixtures/peers/peer.ts'
import { gridOf, newFolder, type Context } from './context.ts'
import type { BenchGrid, GridOptions } from './grid.ts'
import { startNginx, type Nginx } from './nginx.ts'

/** Requests of one caller in a second that the site takes: more than any row asks, since refusals are not what is measured. */
const UNLIMITED = { perSecond: 1_000_000, burst: 1_000_000 }

/** Who asks: what curl is given, and what the environment of a grid's own client says of him. */
export interface Asker {
  readonly curl: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

/** A site as a storage element, nginx beside it with the same host certificate, and those who ask both. */
export interface Storage {
  readonly grid: BenchGrid
  readonly nginx: Nginx
  /** of the site's storage listener */
  readonly authority: string
  readonly pki: GridPki
  /** the certificate itself, which nginx takes too */
  readonly plain: Asker
  /** a proxy as voms-proxy-init makes it */
  readonly proxy: Asker
  /** a proxy of that proxy */
  readonly second: Asker
}

/** Starts them; the folder is the site's source. @throws where the tools of a grid are not installed */
export async function startStorage(
  t: Lifetime,
  o: Context,
  options: Pick<GridOptions, 'source' | 'quotaBytes' | 'nodeOptions'>,
): Promise<Storage> {
  const pki = await makeGridPki(t)
  if (pki === undefined) throw new Error('the tools of a grid are not installed')
  const user = await pki.issue('physician', 'Test Physician')
  let authority = ''
  const grid = await gridOf(t, o, {
    ...options,
    async prepare(plan) {
      authority = new URL(plan.site.srm).host
      const to = { kind: 'user', dn: parseDn(user.dn), issuer: parseDn(CA_DN) }
      const settings = { policy: [{ to, preset: 'replicate' }], limit: UNLIMITED }
      await joinGridCa(plan, pki, { port: Number(new URL(plan.site.srm).port), settings })
    },
  })
  const { certificate, key } = pki.host
  const nginx = await startNginx(t, await newFolder(o, 'nginx'), {
    ...{ certificate, key, ca: pki.ca, ciphers: HTTPG_TLS.ciphers!, user },
  })
  const proxy = await pki.proxy(user, { fqans: [`/${VO}`, RADIOLOGIST] })
  const env = { X509_CERT_DIR: pki.certificates, GFAL_PYTHONBIN: '/usr/bin/python3', LC_ALL: 'C.UTF-8' }
  const proxied = (file: string): Asker => ({
    curl: curlWords(pki, { certificate: file, key: file }),
    env: { ...env, X509_USER_PROXY: file },
  })
  return {
    ...{ grid, nginx, authority, pki },
    plain: {
      curl: curlWords(pki, user),
      env: { ...env, X509_USER_CERT: user.certificate, X509_USER_KEY: user.key },
    },
    proxy: proxied(proxy),
    second: proxied(await proxyOf(pki, proxy)),
  }
}

const curlWords = (pki: GridPki, { certificate, key }: Pick<Issued, 'certificate' | 'key'>) => [
  ...['--cacert', pki.ca, '--cert', certificate, '--key', key],
]

/** A proxy of a proxy, with a key of the kind that people have. */
async function proxyOf(pki: GridPki, file: string): Promise<string> {
  const owner = await loadCredential({ certificate: file, key: file })
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const made = await delegate(owner, {
    ...{ policy: { language: 'inheritAll' }, hours: 12, now: new Date(), holder: publicKey },
  })
  const pem = [made.certificate, privateKey.export({ type: 'pkcs8', format: 'pem' }), owner.certificate]
  const second = join(pki.dir, 'second.pem')
  await writeFile(second, pem.join(''), { mode: 0o600 })
  return second
}
