import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { grant, revoke } from '@mdm/core/access/acl'
import { getRaw } from '@mdm/core/access/raw'
import type { Session } from '@mdm/core/access/session'
import { emptyChain, signStatement } from '@mdm/core/acl/statement'
import { MdmError } from '@mdm/core/errors'
import { readCertificate } from '@mdm/core/identity/certificate'
import { nextCrl } from '@mdm/core/identity/crl/write-crl'
import { getWhoami, postStatement } from '@mdm/core/wire/common'
import { getShares } from '@mdm/core/wire/key-server'
import type { DicomSource } from '@mdm/server/dicom/source'
import { HOST, VO } from '../fixtures/x509/attribute-certificate.ts'
import { tlsOf, type Holder } from '../fixtures/x509/proxies.ts'
import { vomsGrid } from '../fixtures/x509/voms-grid.ts'
import { registerAll, startSiteGrid, until, untilServing } from '../server/site-grid.ts'

const HOUR = 3_600_000
const hold = Promise.withResolvers<void>()
let held: Promise<void> | undefined
/** A source that waits in the middle of a series, so that every transfer of it is under way. */
const through = (source: DicomSource): DicomSource => ({
  ...source,
  series: (signal) => source.series(signal),
  headers: (ref, signal) => source.headers(ref, signal),
  faults: () => source.faults(),
  async *retrieve(ref, sops, signal) {
    let k = 0
    for await (const slice of source.retrieve(ref, sops, signal)) {
      if (k++ === 3) await held
      yield slice
    }
  },
})

let aheadMs = 0
const now = () => new Date(Date.now() + aheadMs)
const grid = await startSiteGrid(t, {
  series: [{ columns: 256, rows: 256, slices: 6 }],
  started: false,
  site: { through, silenceMs: 200_000, recheckMs: 300, now },
  keys: { now },
})
const { dir, site, keyServers } = grid.provisioned
const servers = [site.dir, ...keyServers.map((server) => server.dir)]
const read = async (file: string) => await readFile(join(dir, 'ca', file), 'utf8')
const ca = { certificate: await read('ca.pem'), key: await read('ca.key') }
let list = nextCrl({ ca, last: undefined, revoke: [], days: 2, now: new Date() })

/** Whole or not at all, at every server. */
async function put(file: string, text: string): Promise<void> {
  for (const server of servers) {
    await mkdir(join(server, file, '..'), { recursive: true })
    await writeFile(join(server, `${file}.new`), text)
    await rename(join(server, `${file}.new`), join(server, file))
  }
}

await put('crls/ca.crl', list.pem)
const voms = await vomsGrid(grid, { crls: 'crls' })
t.teardown(() => voms.close())
t.teardown(() => hold.resolve())
const lsc = await readFile(join(voms.folders[0]!, VO, `${HOST}.lsc`), 'utf8')
await put(`vomsdir/second/${HOST}.lsc`, lsc)
await grid.startSite()
const admin = await grid.as('admin')
await untilServing(admin)
const [registered] = (await registerAll(admin)).filter((event) => event.type === 'registered')
const guid = registered!.volume.guid
const { issuer } = admin.credential.identity

const userOf = ({ certificate }: Holder) => ({
  kind: 'user' as const,
  dn: readCertificate(certificate.raw).dn,
  issuer,
})
const fqan = (name: string) => ({ kind: 'fqan' as const, fqan: name })
const give = async (to: Parameters<typeof grant>[2]['to']) =>
  await grant(admin, guid, { to, preset: 'process' })
for (const name of [`/${VO}`, `/${VO}/taken`, '/second']) await give(fqan(name))

interface Reader {
  readonly person: Holder
  readonly session: Session
  /** how his transfers ended, once both have: from the api, and as grid clients read, by https from the storage element */
  ended?: readonly string[]
  readonly end: Promise<readonly string[]>
}

const codeOf = (error: unknown) => (error instanceof MdmError ? error.code : String(error))

/** A GET of plain https at the storage element that has begun, and how it ends. */
async function download(proxy: Holder): Promise<{ readonly end: Promise<string> }> {
  const { cert, key } = tlsOf(proxy)
  const asked = request(`${site.srm}/mdm/${guid}`, { cert, key, rejectUnauthorized: false }).end()
  const [reply] = (await once(asked, 'response')) as [IncomingMessage]
  if (reply.statusCode !== 200) throw new Error(`the storage element answers ${reply.statusCode}`)
  const drained = async () => {
    for await (const _ of reply);
    return 'done'
  }
  return { end: drained().catch(() => 'cut') }
}

/** Somebody who reads by a proxy: by an attribute of a VO, or by a grant to himself. */
async function reader(
  name: string,
  o: { fqans?: string[]; vo?: string; attributesEnd?: Date; proxyEnds?: Date } = {},
): Promise<Reader> {
  const person = voms.person(name)
  const { fqans, vo, attributesEnd, proxyEnds } = o
  if (fqans === undefined) await give(userOf(person))
  const attributes = fqans && {
    fqans,
    ...(vo === undefined ? {} : { vo }),
    ...(attributesEnd === undefined ? {} : { notAfter: attributesEnd }),
  }
  const proxy = voms.proxy(person, attributes, proxyEnds === undefined ? {} : { notAfter: proxyEnds })
  const session = await voms.as(proxy)
  const { body } = await getRaw(session, { guid })
  const drained = async () => {
    for await (const _ of body);
    return 'done'
  }
  const end = Promise.all([drained().catch(codeOf), (await download(proxy)).end])
  const made: Reader = { person, session, end }
  void end.then((codes) => (made.ended = codes))
  const { peer } = session.keyServers[0]!
  // A VOMS server that a running key server is told to trust counts within a second.
  await until(async () => (await peer.call(getWhoami, {})).fqans?.length === fqans?.length)
  const { releases } = await peer.call(getShares, { params: { guid } })
  if (releases.length !== 1) throw new Error(`${name} gets no share`)
  return made
}

held = hold.promise
const ofVo = [`/${VO}`]
const readers = {
  banned: await reader('banned', { fqans: ofVo }),
  bannedByStatement: await reader('banned by a statement', { fqans: ofVo }),
  grantRevoked: await reader('grant revoked'),
  fqanRevoked: await reader('FQAN revoked', { fqans: [`/${VO}/taken`] }),
  distrusted: await reader('VOMS server distrusted', { fqans: ['/second'], vo: 'second' }),
  revoked: await reader('certificate revoked', { fqans: ofVo }),
  expired: await reader('proxy expired', { fqans: ofVo, proxyEnds: new Date(Date.now() + HOUR) }),
  without: await reader('attributes expired', {
    fqans: ofVo,
    attributesEnd: new Date(Date.now() + 4 * HOUR),
  }),
  stays: await reader('stays', { fqans: ofVo }),
}

/** True of the transfers that go on. */
const goingOn = () =>
  Object.entries(readers).flatMap(([name, { ended }]) => (ended === undefined ? [name] : []))

/** Holds that this one is cut, and that site and key server answer so; all others of the list go on. */
async function isCut(
  t: Test,
  name: keyof typeof readers,
  o: { siteSays: string; keyServerSays: string },
): Promise<void> {
  const others = goingOn().filter((one) => one !== name)
  const { session, end } = readers[name]
  t.strictSame(await end, ['MDM_UNREACHABLE', 'cut'], 'both transfers are cut')
  const { site, keyServers } = session
  t.equal(await getRaw(session, { guid }).then(() => 'given', codeOf), o.siteSays, 'the site')
  for (const { peer } of keyServers) {
    const asked = async () => await peer.call(getShares, { params: { guid } }).then(() => 'given', codeOf)
    await until(async () => (await asked()) === o.keyServerSays)
  }
  t.equal(
    await site.call(getWhoami).then(() => 'known', codeOf),
    o.siteSays === 'MDM_NOT_FOUND' ? 'known' : o.siteSays,
  )
  t.strictSame(goingOn(), others, 'the others go on')
}

const known = { siteSays: 'MDM_NOT_FOUND', keyServerSays: 'MDM_NOT_FOUND' }
const refused = (code: string) => ({ siteSays: code, keyServerSays: code })

t.test('the ban list of an operator names the owner of the proxy', async (t) => {
  t.equal(goingOn().length, 9, 'all transfers are under way')
  await put('bans.json', JSON.stringify([userOf(readers.banned.person)]))
  await isCut(t, 'banned', refused('MDM_BANNED'))
})

t.test('a statement bans the owner of the proxy', async (t) => {
  const statement = await signStatement({
    chain: emptyChain(admin.roster.body.site, 'site', 'ban'),
    change: { op: 'ban', who: userOf(readers.bannedByStatement.person) },
    credential: admin.credential,
    now: new Date(),
  })
  for (const peer of [admin.site, ...admin.keyServers.map((server) => server.peer)])
    await peer.call(postStatement, { body: { statement, earlier: [] } })
  await isCut(t, 'bannedByStatement', { ...refused('MDM_BANNED'), keyServerSays: 'MDM_NOT_FOUND' })
})

t.test('the grant to the owner of a proxy is revoked', async (t) => {
  await revoke(admin, guid, { from: userOf(readers.grantRevoked.person) })
  await isCut(t, 'grantRevoked', known)
})

t.test('the grant to an FQAN is revoked', async (t) => {
  await revoke(admin, guid, { from: fqan(`/${VO}/taken`) })
  await isCut(t, 'fqanRevoked', known)
})

t.test('the operators take the LSC file of a VOMS server away', async (t) => {
  for (const server of servers) {
    const file = join(server, 'vomsdir', 'second', `${HOST}.lsc`)
    await rename(file, `${file}.away`)
  }
  await isCut(t, 'distrusted', known)
})

t.test('a new revocation list names the certificate of the owner', async (t) => {
  const { serial } = readCertificate(readers.revoked.person.certificate.raw)
  list = nextCrl({ ca, last: Buffer.from(list.pem), revoke: [serial], days: 2, now: new Date() })
  await put('crls/ca.crl', list.pem)
  await isCut(t, 'revoked', refused('MDM_REVOKED'))
})

t.test('the proxy expires', async (t) => {
  aheadMs = 2 * HOUR
  await isCut(t, 'expired', refused('MDM_CREDENTIAL_EXPIRED'))
})

t.test('the attributes expire, and their holder is known still', async (t) => {
  aheadMs = 6 * HOUR
  await isCut(t, 'without', known)
})

t.test('who may go on gets the whole', async (t) => {
  t.strictSame(goingOn(), ['stays'])
  hold.resolve()
  t.strictSame(await readers.stays.end, ['done', 'done'])
})
