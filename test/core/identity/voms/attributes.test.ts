import type { X509Certificate } from 'node:crypto'
import t from 'tap'
import { NO_LISTS, type Revocations } from '@mdm/core/identity/crl/revocations'
import { MdmError } from '@mdm/core/errors'
import { parseDn } from '@mdm/core/identity/dn'
import {
  attributeCertificate,
  AUTHORITY_KEY,
  baseCertificate,
  carrying,
  fqanAttribute,
  generalNames,
  HOST,
  nameOf,
  NO_REV_AVAIL,
  SIGNER_CERTIFICATES,
  TARGETS,
  usualExtensions,
  VO,
  type AttributeOptions,
} from '../../../fixtures/x509/attribute-certificate.ts'
import { holderOf, proxyOf as makeProxy } from '../../../fixtures/x509/proxies.ts'
import { certificate, CLIENT_AUTH, der, ec, ed25519, name, rsa, text, type Part } from '../certificates.ts'
import { caName, trusted } from '../roster-samples.ts'
import { CA_LINE, FQAN, proxyOf, SERVER_LINE, vomsSite } from './voms-site.ts'

const now = new Date('2026-11-24T12:00:00Z')
const site = await vomsSite(t)
const { alice, bob, roster, folder, server, issue } = site

const of = (chain: readonly X509Certificate[], at = now, revocations: Revocations = NO_LISTS) =>
  folder.fqansOf(chain, roster, at, revocations)
/** The FQANs of Alice's proxy with attributes by the VOMS server, but for what is told. */
const ofAlice = (o: Partial<AttributeOptions> = {}) => of(site.chain(alice, site.attributes(alice, o)))
const vo = [FQAN.vo]

t.test('a proxy gives the FQANs its attribute certificate names, in their order, without NULL', async (t) => {
  const fqans = [
    `${FQAN.vo}/Role=NULL/Capability=NULL`,
    `${FQAN.role}/Capability=NULL`,
    `${FQAN.group}/Role=NULL`,
    FQAN.group,
  ]
  t.strictSame(ofAlice({ fqans }), [FQAN.vo, FQAN.role, FQAN.group], 'and each once')
})

t.test('a certificate without attributes gives none', async (t) => {
  t.strictSame(of([alice.certificate]), [])
  t.strictSame(of(site.chain(alice)), [])
  t.strictSame(of([]), [])
})

t.test('the holder is named by its issuer or its subject, and always by its serial number', async (t) => {
  t.strictSame(ofAlice({ bySubject: true }), vo)
  const other = baseCertificate(alice.certificate, false, '4001')
  t.strictSame(ofAlice({ holderField: other }), [])
  t.strictSame(ofAlice({ holderField: baseCertificate(alice.certificate, true, '4001') }), [])
  const elsewhere = der(0xa0, generalNames(name(['CN', 'Other CA'])), serialOf(alice.certificate))
  t.strictSame(ofAlice({ holderField: elsewhere }), [])
})

t.test('a holder that is named by its subject counts where one CA alone may give that name', async (t) => {
  const { userCas } = site.sample.body
  const key = ec()
  const other = (subject: Part[], nameSpace: string) => {
    const ca = certificate({ subject: name(...subject), key, ca: true, keyUsage: 0x06 })
    return { certificate: ca.raw.toString('base64'), nameSpaces: [parseDn(nameSpace)] }
  }
  /** The FQANs of somebody by Alice's attributes, under a roster with one CA more. */
  const beside = async (
    ca: ReturnType<typeof other>,
    o: Partial<AttributeOptions>,
    who: X509Certificate = alice.certificate,
  ) => {
    const two = await trusted({ ...site.sample.body, userCas: [...userCas, ca] }, site.sample.signer)
    const attributes = site.attributes(alice, o)
    const chain = makeProxy(holderOf(who, alice.key), { extensions: [carrying(attributes)] }).chain
    return folder.fqansOf(chain, two, now, NO_LISTS)
  }
  const overlapping = other([['CN', 'Other CA']], 'O=Hospital,C=FR')
  t.strictSame(await beside(overlapping, { bySubject: true }), [], 'two CAs may give it')
  t.strictSame(await beside(overlapping, {}), vo, 'which does not matter where the issuer is named')
  t.strictSame(await beside(other([['CN', 'Other CA']], 'O=Clinic,C=FR'), { bySubject: true }), vo)
  const renewed = other(
    [
      ['C', 'FR'],
      ['O', 'Hospital'],
      ['CN', 'Hospital CA'],
    ],
    'O=Hospital,C=FR',
  )
  t.strictSame(await beside(renewed, { bySubject: true }), vo, 'a CA that renewed its key is one CA')

  const { serialNumber } = alice.certificate
  const twin = certificate({
    subject: nameOf(alice.certificate, 'subject'),
    ...{
      issuer: name(['CN', 'Other CA']),
      key: alice.key,
      signer: key,
      serial: serialNumber,
      keyUsage: 0x80,
    },
  })
  t.equal(twin.serialNumber, serialNumber)
  for (const bySubject of [true, false])
    t.strictSame(await beside(overlapping, { bySubject }, twin), [], 'the same name and number of another CA')

  const namesake = other(
    [
      ['C', 'FR'],
      ['O', 'Hospital'],
      ['CN', 'Alice Martin'],
    ],
    'O=Clinic,C=FR',
  )
  t.strictSame(await beside(namesake, { bySubject: true }), [], 'a name that is a CA’s, too')
})

t.test('a holder that is named in another way than RFC 5755 section 4.2.2 wants has none', async (t) => {
  const subject = nameOf(alice.certificate, 'subject')
  const base = baseCertificate(alice.certificate)
  const wrong: Record<string, Buffer> = {
    'entityName alone': der(0xa1, der(0xa4, subject)),
    'entityName beside': Buffer.concat([base, der(0xa1, der(0xa4, subject))]),
    'objectDigestInfo beside': Buffer.concat([base, der(0xa2, der(0x0a, Buffer.from([0])))]),
    'two names': der(
      0xa0,
      der(0x30, der(0xa4, nameOf(alice.certificate, 'issuer')), der(0xa4, subject)),
      serialOf(alice.certificate),
    ),
    'a unique identifier': der(
      0xa0,
      generalNames(subject),
      serialOf(alice.certificate),
      der(0x03, Buffer.from([0, 1])),
    ),
    nothing: Buffer.alloc(0),
  }
  for (const [what, holderField] of Object.entries(wrong)) t.strictSame(ofAlice({ holderField }), [], what)
})

t.test('attributes of one user in the proxy of another give him nothing', async (t) => {
  t.strictSame(of(site.chain(bob, site.attributes(alice, {}))), [])
  t.strictSame(of(site.chain(bob, site.attributes(alice, { bySubject: true }))), [])
})

t.test('one byte changed anywhere, and nothing is left', async (t) => {
  const bytes = site.attributes(alice)
  for (let at = 0; at < bytes.length; at += 3) {
    const changed = Buffer.from(bytes)
    changed[at]! ^= 0x01
    if (of(site.chain(alice, changed)).length > 0) t.fail(`accepted with byte ${at} changed`)
  }
  t.strictSame(of(site.chain(alice, bytes)), vo)
})

t.test('who is not the VOMS server of the LSC file cannot give attributes', async (t) => {
  const key = ec()
  const byAlice = { key: alice.key, certificate: alice.certificate }
  t.strictSame(ofAlice({ signer: byAlice }), [], 'a user')
  const otherHost = { key, certificate: issue('other.example.org', key) }
  t.strictSame(ofAlice({ signer: otherHost }), [], 'another host of the CA')
  const rogueKey = ec()
  const rogue = issue(HOST, key, { signer: rogueKey })
  t.strictSame(ofAlice({ signer: { key, certificate: rogue } }), [], 'a CA of the same name')
  const self = certificate({ subject: nameOf(server.certificate, 'subject'), issuer: caName, key })
  t.strictSame(ofAlice({ signer: { key, certificate: self } }), [], 'itself, under the name of the CA')
  t.strictSame(
    ofAlice({ signer: { key, certificate: server.certificate } }),
    [],
    'another key beside the certificate',
  )
  const unnamed = der(0xa0, generalNames(nameOf(alice.certificate, 'subject')))
  t.strictSame(ofAlice({ issuerField: unnamed }), [], 'another issuer than the certificate')
  const v1 = generalNames(nameOf(server.certificate, 'subject'))
  t.strictSame(ofAlice({ issuerField: v1 }), [], 'v1Form')
})

t.test('the certificate of the VOMS server must be as good as a user must have one', async (t) => {
  const key = ec()
  const by = (o: Parameters<typeof issue>[2], signing = key) =>
    ofAlice({ signer: { key: signing, certificate: issue(HOST, signing, o) } })
  t.strictSame(by({}), vo)
  t.strictSame(by({ eku: [CLIENT_AUTH] }), vo, 'for clients or for servers')
  t.strictSame(by({ ca: true }), [], 'a CA')
  t.strictSame(by({ keyUsage: 0x84 }), [], 'one that may sign certificates')
  t.strictSame(by({ keyUsage: 0x20 }), [], 'not made for signing')
  t.strictSame(by({ notAfter: new Date('2026-11-01T00:00:00Z') }), [], 'expired')
  t.strictSame(by({ notBefore: new Date('2026-12-01T00:00:00Z') }), [], 'not valid yet')
  t.strictSame(by({}, rsa(1024)), [], 'a weak key')
  t.strictSame(by({ hash: 'sha1' }), [], 'a weak signature')
  t.strictSame(by({ extensions: [['2.5.29.30', true, der(0x30)]] }), [], 'an unknown critical extension')
  const outside = certificate({
    subject: name(['C', 'FR'], ['O', 'Elsewhere'], ['CN', HOST]),
    ...{ issuer: caName, key, signer: site.sample.caKey },
  })
  await site.lsc([`/C=FR/O=Elsewhere/CN=${HOST}`, CA_LINE], { vo: 'elsewhere' })
  await folder.refresh()
  t.strictSame(
    ofAlice({ vo: 'elsewhere', fqans: ['/elsewhere'], signer: { key, certificate: outside } }),
    [],
    'a name its CA may not give',
  )
})

t.test('a revoked VOMS server is believed no more, nor one of a CA without a current list', async (t) => {
  const chain = site.chain(alice, site.attributes(alice))
  for (const code of ['MDM_REVOKED', 'MDM_CRL'] as const) {
    const revocations: Revocations = {
      ...NO_LISTS,
      requireUnrevoked(_ca, { dn }) {
        if (dn.includes('voms')) throw new MdmError(code)
      },
    }
    t.strictSame(of(chain, now, revocations), [], code)
  }
})

t.test('another CA in the roster may issue VOMS servers, and a CA that left it may not', async (t) => {
  const { userCas } = site.sample.body
  const key = ec()
  const caKey = ec()
  const ca = certificate({ subject: name(['CN', 'Grid CA']), key: caKey, ca: true, keyUsage: 0x06 })
  const grid = certificate({
    subject: name(['O', 'Grid'], ['CN', HOST]),
    ...{ issuer: name(['CN', 'Grid CA']), key, signer: caKey, keyUsage: 0x80 },
  })
  await site.lsc([SERVER_LINE, CA_LINE, '------ NEXT CHAIN ------', `/O=Grid/CN=${HOST}`, '/CN=Grid CA'])
  await folder.refresh()
  const chain = site.chain(alice, site.attributes(alice, { signer: { key, certificate: grid } }))
  t.strictSame(of(chain), [])
  const further = { certificate: ca.raw.toString('base64'), nameSpaces: [parseDn('O=Grid')] }
  const two = await trusted({ ...site.sample.body, userCas: [...userCas, further] }, site.sample.signer)
  t.strictSame(folder.fqansOf(chain, two, now, NO_LISTS), vo)
  t.strictSame(of(chain), [], 'under the roster that does not name it')
})

t.test('attributes count from their beginning to their end, to the second', async (t) => {
  const notBefore = new Date('2026-11-24T10:00:00Z')
  const notAfter = new Date('2026-11-24T22:00:00Z')
  const chain = site.chain(alice, site.attributes(alice, { notBefore, notAfter }))
  const at = (date: Date, ms: number) => of(chain, new Date(date.getTime() + ms))
  t.strictSame(at(notBefore, -1_000), [])
  t.strictSame(at(notBefore, 0), vo)
  t.strictSame(at(notAfter, 0), vo)
  t.strictSame(at(notAfter, 1_000), [])
})

t.test(
  'a VO that the operator does not trust, and another host than the file is named by, give nothing',
  async (t) => {
    t.strictSame(ofAlice({ vo: 'other.org', fqans: ['/other.org'] }), [])
    t.strictSame(ofAlice({ host: 'other.mdm-test.org' }), [])
    t.strictSame(ofAlice({ host: HOST.toUpperCase() }), vo, 'host names have no case')
    t.strictSame(ofAlice({ vo: VO.toUpperCase(), fqans: [FQAN.vo.toUpperCase()] }), [], 'VOs have')
  },
)

t.test('names that are no plain names are refused', async (t) => {
  const authorities = [
    `${VO}://../${HOST}:1`,
    `../${VO}://${HOST}:1`,
    `..://${HOST}:1`,
    `.://${HOST}:1`,
    `${VO}\0://${HOST}:1`,
    `${VO}://${HOST}\0:1`,
    `${VO}://..:1`,
    `${VO}:///${HOST}:1`,
    `${VO}://${HOST}:1/x`,
    `${VO}://${HOST}:123456`,
    `${VO}:${HOST}`,
    `://${HOST}:1`,
    `${VO}://${'a'.repeat(300)}:1`,
    `${'a'.repeat(70)}://${HOST}:1`,
    `${VO}://${HOST}:1\n`,
    '',
  ]
  for (const authority of authorities) t.strictSame(ofAlice({ authority }), [], JSON.stringify(authority))
  t.strictSame(ofAlice({ authority: `${VO}://${HOST}` }), vo, 'the port may be left out')
})

t.test('one FQAN outside the VO, and the whole attribute certificate counts for nothing', async (t) => {
  for (const fqan of ['/other', `${FQAN.vo}x`, `/other${FQAN.vo}`, VO, '', '/', `${FQAN.vo.toUpperCase()}`])
    t.strictSame(ofAlice({ fqans: [FQAN.vo, fqan] }), [], fqan)
})

t.test('an FQAN that no access list can hold is passed over, and the others count', async (t) => {
  const odd = [
    `${FQAN.vo}/a b`,
    `${FQAN.vo}/`,
    `${FQAN.vo}//x`,
    `${FQAN.vo}/Role=x/Capability=y`,
    `${FQAN.vo}/Role=`,
    `${FQAN.vo}/Role=a/Role=b`,
    `${FQAN.vo}/\u00e9`,
    `${FQAN.vo}/x\n`,
    `${FQAN.vo}/${'x'.repeat(300)}`,
  ]
  t.strictSame(ofAlice({ fqans: [...odd, FQAN.role] }), [FQAN.role])
})

t.test('extensions: what is critical must be known, targets are refused, each is there once', async (t) => {
  const usual = usualExtensions(server)
  const without = (oid: string) => usual.filter(([id]) => id !== oid)
  t.strictSame(ofAlice({ furtherExtensions: [['1.2.3.4', false, der(0x05)]] }), vo, 'not critical, unknown')
  t.strictSame(
    ofAlice({ extensions: usual.map(([id, , value]) => [id, true, value]) }),
    vo,
    'critical, known',
  )
  t.strictSame(ofAlice({ extensions: without(AUTHORITY_KEY) }), vo)
  const refused: Record<string, Partial<AttributeOptions>> = {
    'unknown and critical': { furtherExtensions: [['1.2.3.4', true, der(0x05)]] },
    targets: { furtherExtensions: [[TARGETS, true, der(0x30)]] },
    'targets, not critical': { furtherExtensions: [[TARGETS, false, der(0x30)]] },
    twice: { furtherExtensions: [[NO_REV_AVAIL, false, der(0x05)]] },
    'without noRevAvail': { extensions: without(NO_REV_AVAIL) },
    'noRevAvail that is not NULL': {
      extensions: [...without(NO_REV_AVAIL), [NO_REV_AVAIL, false, der(0x05, 'x')]],
    },
    'without certificates': { extensions: without(SIGNER_CERTIFICATES) },
    'no certificate': {
      extensions: [...without(SIGNER_CERTIFICATES), [SIGNER_CERTIFICATES, false, der(0x30, der(0x30))]],
    },
    'the signer second': {
      extensions: [
        ...without(SIGNER_CERTIFICATES),
        [SIGNER_CERTIFICATES, false, der(0x30, der(0x30, bob.certificate.raw, server.certificate.raw))],
      ],
    },
    none: { extensions: [] },
  }
  for (const [what, o] of Object.entries(refused)) t.strictSame(ofAlice(o), [], what)
})

t.test('attributes of other types add nothing and spoil nothing; FQANs are there once', async (t) => {
  const group = fqanAttribute([FQAN.group], `${VO}://${HOST}:1`, '1.3.6.1.5.5.7.10.4')
  t.strictSame(ofAlice({ attributes: [group] }), vo)
  const again = fqanAttribute([FQAN.group], `${VO}://${HOST}:1`)
  t.strictSame(ofAlice({ attributes: [again] }), [])
})

t.test('a weak signature, and another version than 2, count for nothing', async (t) => {
  t.strictSame(ofAlice({ hash: 'sha1' }), [])
  t.strictSame(ofAlice({ version: 0 }), [])
  t.strictSame(ofAlice({ version: 2 }), [])
})

t.test(
  'several attribute certificates: each that holds counts, the nearest to the owner first',
  async (t) => {
    await site.lsc([SERVER_LINE, CA_LINE], { vo: 'second' })
    await folder.refresh()
    const first = site.attributes(alice)
    const second = site.attributes(alice, { vo: 'second', fqans: ['/second', '/second/Role=x'] })
    const expired = site.attributes(alice, {
      fqans: [FQAN.role],
      notAfter: new Date('2026-11-01T00:00:00Z'),
    })
    const ofBob = site.attributes(bob, { fqans: [FQAN.group] })
    t.strictSame(of(site.chain(alice, first, expired, ofBob, second)), [...vo, '/second', '/second/Role=x'])
    t.strictSame(of(site.chain(alice, der(0x30), first)), vo, 'beside one that cannot be read')

    const key = ed25519()
    const inner = proxyOf(alice, [carrying(second)])
    const outer = certificate({
      subject: name(['CN', 'outer']),
      ...{ issuer: nameOf(inner, 'subject'), key, extensions: [carrying(first)] },
    })
    const plain = proxyOf(alice, [])
    t.strictSame(of([outer, inner, alice.certificate]), ['/second', '/second/Role=x', ...vo])
    t.strictSame(of([outer, plain, alice.certificate]), vo, 'in any proxy of the chain')
  },
)

t.test('more attribute certificates than a proxy may carry, and none counts', async (t) => {
  const one = site.attributes(alice)
  t.strictSame(of(site.chain(alice, ...Array<Buffer>(8).fill(one))), vo)
  t.strictSame(of(site.chain(alice, ...Array<Buffer>(9).fill(one))), [])
})

t.test('of all that a chain carries sixteen are looked at, the nearest to the owner', async (t) => {
  const ended = site.attributes(alice, { notAfter: new Date('2026-11-01T00:00:00Z') })
  const full = carrying(...Array<Buffer>(8).fill(ended))
  const owner = holderOf(alice.certificate, alice.key)
  const last = carrying(site.attributes(alice))
  const below = (first: typeof full, second: typeof full) =>
    of(
      makeProxy(makeProxy(makeProxy(owner, { extensions: [first] }), { extensions: [second] }), {
        extensions: [last],
      }).chain,
    )
  t.strictSame(below(full, carrying(ended)), vo)
  t.strictSame(below(full, full), [])
})

t.test('the first 64 FQANs count', async (t) => {
  const fqans = Array.from({ length: 70 }, (_, i) => `${FQAN.vo}/group${i}`)
  t.strictSame(ofAlice({ fqans }), fqans.slice(0, 64))
})

t.test('the extension with attributes is read in its one form only', async (t) => {
  const one = site.attributes(alice)
  const [oid] = carrying(one)
  const of_ = (value: Buffer) => of([proxyOf(alice, [[oid, false, value]]), alice.certificate])
  t.strictSame(of_(der(0x30, der(0x30, one))), vo)
  t.strictSame(of_(one), [])
  t.strictSame(of_(der(0x30, one)), [])
  t.strictSame(of_(der(0x30, der(0x30, one), der(0x30, one))), [])
  t.strictSame(of_(der(0x31, der(0x30, one))), [])
  t.strictSame(of_(der(0x30)), [])
  t.strictSame(of_(text('utf8', 'x')), [])
})

t.test('attributes in the certificate of a user itself are not looked for', async (t) => {
  const key = ed25519()
  const first = issue('Carol', key, { serial: '4444' })
  const own = attributeCertificate({ signer: server, holder: first })
  const carol = issue('Carol', key, { serial: '4444', extensions: [carrying(own)] })
  t.strictSame(of([carol]), [])
})

function serialOf(holder: X509Certificate): Buffer {
  return der(0x02, Buffer.from(holder.serialNumber, 'hex'))
}
