import type { KeyObject, X509Certificate } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import { openVomsFolder, type VomsFolder } from '@mdm/core/identity/voms/voms-folder'
import {
  attributeCertificate,
  carrying,
  HOST,
  VO,
  type AttributeOptions,
  type AttributeSigner,
  type Extension,
} from '../../../fixtures/x509/attribute-certificate.ts'
import { holderOf, proxyOf as makeProxy, type Holder } from '../../../fixtures/x509/proxies.ts'
import {
  certificate,
  CLIENT_AUTH,
  ec,
  ed25519,
  name,
  SERVER_AUTH,
  type CertificateOptions,
  type Part,
} from '../certificates.ts'
import { caName, sampleSite, trusted, type SampleSite } from '../roster-samples.ts'

const hospital: Part[] = [
  ['C', 'FR'],
  ['O', 'Hospital'],
]
export const CA_LINE = '/C=FR/O=Hospital/CN=Hospital CA'
export const SERVER_LINE = '/C=FR/O=Hospital/CN=voms.mdm-test.org'
export const FQAN = {
  vo: `/${VO}`,
  group: `/${VO}/physicians`,
  role: `/${VO}/physicians/Role=radiologist`,
}
/** A site with a CA, two of its users, and a VOMS server that its operator trusts by a folder of LSC files. */
export interface VomsSite {
  readonly sample: SampleSite
  readonly roster: TrustedRoster
  readonly dir: string
  readonly folder: VomsFolder
  readonly server: AttributeSigner
  /** Writes an LSC file; the folder still has to look. */
  lsc(lines: readonly string[], o?: { vo?: string; host?: string }): Promise<void>
  /** A certificate by the CA, of a user unless told. */
  issue(commonName: string, key: KeyObject, o?: Partial<CertificateOptions>): X509Certificate
  /** A proxy of a user that carries attributes, and the certificate: a chain as identify() takes it. */
  chain(user: Holder, ...attributes: readonly Buffer[]): X509Certificate[]
  /** Attributes of a user by the VOMS server, but for what is told. */
  attributes(user: Holder, o?: Partial<AttributeOptions>): Buffer
  readonly alice: Holder
  readonly bob: Holder
}

export async function vomsSite(t: Pick<Test, 'teardown'>): Promise<VomsSite> {
  const sample = sampleSite()
  const dir = await mkdtemp(join(tmpdir(), 'mdm-voms-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const issue: VomsSite['issue'] = (commonName, key, o = {}) =>
    certificate({
      subject: name(...hospital, ['CN', commonName]),
      ...{ issuer: caName, signer: sample.caKey, key },
      ...{ ca: false, keyUsage: 0x80, eku: [CLIENT_AUTH] },
      ...o,
    })
  const person = (commonName: string): Holder => {
    const key = ed25519()
    return holderOf(issue(commonName, key), key)
  }
  const serverKey = ec()
  const server = { key: serverKey, certificate: issue(HOST, serverKey, { eku: [SERVER_AUTH] }) }
  const site: VomsSite = {
    ...{ sample, dir, issue, server },
    roster: await trusted(sample.body, sample.signer),
    folder: openVomsFolder(dir),
    async lsc(lines, { vo = VO, host = HOST } = {}) {
      await mkdir(join(dir, vo), { recursive: true })
      await writeFile(join(dir, vo, `${host}.lsc`), `${lines.join('\n')}\n`)
    },
    chain: (user, ...attributes) => [
      proxyOf(user, attributes.length === 0 ? [] : [carrying(...attributes)]),
      user.certificate,
    ],
    attributes: (user, o) => attributeCertificate({ signer: server, holder: user.certificate, ...o }),
    alice: person('Alice Martin'),
    bob: person('Bob'),
  }
  await site.lsc([SERVER_LINE, CA_LINE])
  await site.folder.refresh()
  return site
}

/** A proxy that a user makes of himself, with these extensions. */
export function proxyOf(user: Holder, extensions: readonly Extension[]): X509Certificate {
  return makeProxy(user, { extensions: [...extensions] }).certificate
}
