/** Alters proxies and attribute certificates at random and holds identify() to what it must keep: `node --conditions=@mdm/source test/fuzz/chain.ts N [SEED]`. */
import { X509Certificate } from 'node:crypto'
import { MdmError } from '@mdm/core/errors'
import { NO_LISTS } from '@mdm/core/identity/crl/revocations'
import { readCertificate } from '@mdm/core/identity/certificate'
import { readDer } from '@mdm/core/identity/der'
import { identify } from '@mdm/core/identity/identify'
import { der, extension } from '../core/identity/certificates.ts'
import { FQAN, vomsSite, type VomsSite } from '../core/identity/voms/voms-site.ts'
import { generator, type Random } from '../fixtures/random.ts'
import {
  ACS,
  attributeCertificate,
  carrying,
  usualExtensions,
} from '../fixtures/x509/attribute-certificate.ts'
import { proxyOf } from '../fixtures/x509/proxies.ts'

export interface ChainTally {
  /** let in with attributes: what the VOMS server signed came through whole */
  given: number
  /** let in without: what was altered is in the attributes alone */
  without: number
  /** refused, or no certificate at all to Node */
  refused: number
  unreadable: number
  /** neither: another error, attributes that nobody signed, or an unaltered chain that is refused */
  broken: string[]
}

const now = new Date('2026-11-24T12:00:00Z')
/** Bytes that matter to a reader of DER: tags and lengths. */
const TOKENS = [
  0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x18, 0x30, 0x31, 0x7f, 0x80, 0x81, 0x82, 0x83, 0xa0, 0xa4,
  0xff,
]

interface World {
  readonly site: VomsSite
  /** the proxy and the certificate of Alice, and attributes of hers that hold */
  readonly proxy: Buffer
  readonly owner: X509Certificate
  readonly good: Buffer
  /** what hers is spliced with: attributes that do not hold for her */
  readonly others: readonly Buffer[]
}

async function world(): Promise<World> {
  const teardowns: (() => unknown)[] = []
  const site = await vomsSite({
    teardown: (...work: (() => unknown)[]) => void teardowns.push(...work),
  } as never)
  for (const teardown of teardowns) await teardown()
  const { alice, bob, server } = site
  const good = site.attributes(alice, { fqans: [FQAN.group, FQAN.role] })
  const rich = { fqans: [FQAN.vo, `${FQAN.vo}/Role=admin`] }
  const others = [
    site.attributes(bob, rich),
    site.attributes(alice, { ...rich, notAfter: new Date('2026-11-01T00:00:00Z') }),
    attributeCertificate({
      signer: { key: bob.key, certificate: bob.certificate },
      holder: alice.certificate,
      ...rich,
    }),
    attributeCertificate({
      signer: { key: bob.key, certificate: server.certificate },
      holder: alice.certificate,
      ...rich,
    }),
    site.attributes(alice, { ...rich, extensions: usualExtensions(server).slice(0, 1) }),
  ]
  const proxy = proxyOf(alice, { extensions: [carrying(good)] }).certificate.raw
  return { site, proxy, owner: alice.certificate, good, others }
}

/** Alters `count` chains; the same seed gives the same alterations. */
export async function fuzzChain(count: number, seed: number): Promise<ChainTally> {
  const random = generator(seed)
  const tally: ChainTally = { given: 0, without: 0, refused: 0, unreadable: 0, broken: [] }
  const made = await world()
  for (let n = 0; n < count; n++) {
    const name = `seed ${seed} case ${n}`
    try {
      const kind = random(16)
      if (kind === 0) signedAnew(made, random, { tally, name })
      else if (kind < 7) certificateAltered(made, random, { tally, name })
      else attributesAltered(made, random, { tally, name })
    } catch (error) {
      tally.broken.push(`${name}: ${String(error)}`)
    }
  }
  return tally
}

interface Judge {
  readonly tally: ChainTally
  readonly name: string
}

/** A proxy or an end-entity certificate with other bytes: nobody signed it so, unless Node reads the same certificate out of it. */
function certificateAltered({ site, proxy, owner }: World, random: Random, { tally, name }: Judge): void {
  const certificates = [proxy, owner.raw]
  const which = random(2)
  certificates[which] = alteredBytes(certificates[which]!, random, [proxy, owner.raw])
  const chain = certificates.map(certificateOf)
  if (chain.includes(undefined)) return void tally.unreadable++
  const isSame = chain[0]!.raw.equals(proxy) && chain[1]!.raw.equals(owner.raw)
  try {
    const caller = identify(chain as X509Certificate[], site.roster, now, NO_LISTS, site.folder)
    if (isSame && caller.kind === 'user' && caller.fqans.length === 2) tally.given++
    else tally.broken.push(`${name}: an altered certificate is let in`)
  } catch (error) {
    if (!(error instanceof MdmError)) throw error
    if (isSame) tally.broken.push(`${name}: refused as it was signed`)
    tally.refused++
  }
}

/**
 * The holder of a proxy writes into it what he likes, so the proxy is taken as verified and only its attributes are altered. They
 * may hold only where what the VOMS server signed for its owner is in it, byte for byte, and then as they were signed.
 */
function attributesAltered(
  { site, good, others, proxy, owner }: World,
  random: Random,
  { tally, name }: Judge,
): void {
  const value = attributesOf({ good, others }, random)
  const certificate = certificateOf(withExtension(proxy, extension([ACS, false, value])))
  if (certificate === undefined) return void tally.unreadable++
  judge(site.folder.fqansOf([certificate, owner], site.roster, now, NO_LISTS), value.includes(good), {
    tally,
    name,
  })
}

/**
 * The same through identify(): the proxy is good, so its owner is let in, whatever its attributes are; only what is no DER at all
 * (X.690) makes the proxy itself malformed.
 */
function signedAnew({ site, good, others }: World, random: Random, { tally, name }: Judge): void {
  const value = attributesOf({ good, others }, random)
  const { chain } = proxyOf(site.alice, { extensions: [[ACS, false, value]] })
  try {
    const caller = identify(chain, site.roster, now, NO_LISTS, site.folder)
    if (caller.kind === 'user') judge(caller.fqans, value.includes(good), { tally, name })
    else tally.broken.push(`${name}: a user is ${caller.kind}`)
  } catch (error) {
    if (!(error instanceof MdmError) || isDer(value)) throw error
    tally.refused++
  }
}

function isDer(value: Buffer): boolean {
  try {
    readDer(value)
    return true
  } catch {
    return false
  }
}

function judge(fqans: readonly string[], isGoodThere: boolean, { tally, name }: Judge): void {
  if (fqans.length === 0) return void tally.without++
  const areSigned = fqans.length === 2 && fqans[0] === FQAN.group && fqans[1] === FQAN.role
  if (isGoodThere && areSigned) tally.given++
  else tally.broken.push(`${name}: attributes that nobody signed so`)
}

/** The value of the extension: attributes altered, then wrapped, or wrapped, then altered. */
function attributesOf({ good, others }: Pick<World, 'good' | 'others'>, random: Random): Buffer {
  const pool = [good, ...others]
  const other = others[random(others.length)]!
  const kind = random(6)
  if (kind === 0) return carrying(good)[2]
  if (kind === 1) return alteredBytes(carrying(other, good)[2], random, pool)
  if (kind === 2) return carrying(alteredBytes(other, random, pool), good)[2]
  if (kind === 3) return carrying(respliced(good, other, random))[2]
  return carrying(alteredBytes(good, random, pool))[2]
}

/** A field of one attribute certificate in the place of the other's. */
function respliced(good: Buffer, other: Buffer, random: Random): Buffer {
  const [info, ...rest] = childrenOf(good)
  const [otherInfo, ...otherRest] = childrenOf(other)
  if (random(3) === 0) return der(0x30, otherInfo!, ...rest)
  if (random(3) === 0) return der(0x30, info!, rest[0]!, otherRest[1]!)
  const fields = childrenOf(info!)
  const at = random(fields.length)
  const theirs = childrenOf(otherInfo!)
  fields[at] = theirs[random(4) === 0 ? random(theirs.length) : at] ?? fields[at]!
  return der(0x30, der(0x30, ...fields), ...rest)
}

/** Raw values inside a constructed value that is well formed. */
function childrenOf(bytes: Buffer): Buffer[] {
  const found: Buffer[] = []
  const [start] = spanAt(bytes, 0)
  for (let at = start; at < bytes.length;) {
    const [, end] = spanAt(bytes, at)
    found.push(bytes.subarray(at, end))
    at = end
  }
  return found
}

function spanAt(bytes: Buffer, at: number): [start: number, end: number] {
  const first = bytes[at + 1]!
  const octets = first < 0x80 ? 0 : first & 0x7f
  const start = at + 2 + octets
  return [start, start + (octets === 0 ? first : bytes.readUIntBE(at + 2, octets))]
}

/** The proxy with another extension of attributes; its signature is of the one before. */
function withExtension(proxy: Buffer, replacement: Buffer): Buffer {
  const [tbs, ...rest] = childrenOf(proxy)
  const fields = childrenOf(tbs!)
  const extensions = childrenOf(childrenOf(fields.at(-1)!)[0]!)
  const kept = extensions.slice(0, -1)
  return der(0x30, der(0x30, ...fields.slice(0, -1), der(0xa3, der(0x30, ...kept, replacement))), ...rest)
}

function alteredBytes(bytes: Buffer, random: Random, others: readonly Buffer[]): Buffer {
  let changed = Buffer.from(bytes)
  for (let times = 1 + random(3); times > 0; times--) {
    const at = random(changed.length)
    const kind = random(7)
    if (kind === 0) changed[at]! ^= 1 << random(8)
    else if (kind === 1) changed[at] = TOKENS[random(TOKENS.length)]!
    else if (kind === 2) changed[at] = random(256)
    else if (kind === 3) changed = Buffer.concat([changed.subarray(0, at), changed.subarray(at + random(20))])
    else if (kind === 4)
      changed = Buffer.concat([changed.subarray(0, at), Buffer.from([random(256)]), changed.subarray(at)])
    else if (kind === 5) {
      const other = others[random(others.length)]!
      const from = random(other.length)
      changed = Buffer.concat([
        changed.subarray(0, at),
        other.subarray(from, from + random(200)),
        changed.subarray(at + random(200)),
      ])
    } else changed = changed.subarray(0, 1 + at)
    if (changed.length === 0) return Buffer.from([0x30, 0x00])
  }
  return changed
}

function certificateOf(bytes: Buffer): X509Certificate | undefined {
  try {
    return new X509Certificate(bytes)
  } catch {
    // Not even TLS would take it. Our own reader must refuse it as it refuses anything.
    try {
      readCertificate(bytes)
    } catch (error) {
      if (!(error instanceof MdmError)) throw error
    }
    return undefined
  }
}

if (import.meta.main) {
  const [count = '10000', seed = String(Math.floor(Math.random() * 2 ** 31))] = process.argv.slice(2)
  const { broken, ...tally } = await fuzzChain(Number(count), Number(seed))
  console.log(JSON.stringify({ cases: Number(count), seed: Number(seed), ...tally, broken: broken.length }))
  for (const fault of broken.slice(0, 20)) console.log(fault)
  if (broken.length > 0) process.exitCode = 1
}
