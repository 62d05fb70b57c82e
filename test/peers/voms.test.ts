import { execFile } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { parseDn } from '@mdm/core/identity/dn'
import { makeGridPki, RADIOLOGIST, VO } from '../fixtures/peers/grid-pki.ts'
import { knownBy } from '../fixtures/peers/known-as.ts'
import { attributeCertificate, carrying } from '../fixtures/x509/attribute-certificate.ts'
import { holderOf, proxyFile, proxyOf } from '../fixtures/x509/proxies.ts'
import { rsa } from '../core/identity/certificates.ts'

/** Attributes as the tools of VOMS write and read them. */
const exec = promisify(execFile)
const pki = await makeGridPki(t)
if (pki === undefined && process.env.MDM_PEERS === 'required')
  throw new Error('MDM_PEERS=required, but voms-clients is not installed')
if (pki === undefined) t.pass('skipped: voms-clients is not installed')

if (pki !== undefined) {
  const of = await knownBy(pki)
  const [alice, bob] = [await pki.issue('alice', 'Alice Martin'), await pki.issue('bob', 'Bob')]
  const aliceDn = parseDn(alice.dn)
  let made = 0
  /** A proxy of Alice by voms-proxy-fake with more options. */
  const fake = async (...more: string[]): Promise<string> => {
    const out = join(pki.dir, `fake-${++made}.pem`)
    const at = (file: string) => join(pki.dir, file)
    await exec(
      'voms-proxy-fake',
      [
        ...[
          '-cert',
          alice.certificate,
          '-key',
          alice.key,
          '-out',
          out,
          '-rfc',
          '-bits',
          '2048',
          '-hours',
          '12',
        ],
        ...['-certdir', pki.certificates, '-hostcert', at('voms.pem'), '-hostkey', at('voms.key')],
        ...[
          '-voms',
          VO,
          '-uri',
          'voms.mdm-test.org:15000',
          '-fqan',
          `${RADIOLOGIST}/Capability=NULL`,
          ...more,
        ],
      ],
      { env: { ...process.env, HOME: pki.dir, RANDFILE: at('.rnd') } },
    )
    return out
  }

  t.test('a proxy of voms-proxy-fake gives its FQANs', async (t) => {
    const file = await pki.proxy(alice, { fqans: [`/${VO}`, RADIOLOGIST] })
    t.strictSame(await of(file), { dn: aliceDn, fqans: [`/${VO}`, RADIOLOGIST] })
    t.strictSame(await of(await pki.proxy(alice)), { dn: aliceDn, fqans: [] })
    t.strictSame(await of(await fake('-newformat')), { dn: aliceDn, fqans: [RADIOLOGIST] })
    t.strictSame(await of(await fake('-limited')), { dn: aliceDn, fqans: [RADIOLOGIST] })
  })

  t.test('generic attributes in an extension do no harm', async (t) => {
    t.strictSame((await of(await fake('-ga', 'nickname=alice')))?.fqans, [RADIOLOGIST])
  })

  t.test('attributes by a user’s certificate, or moved to another user, are none', async (t) => {
    const byUser = await fake('-hostcert', bob.certificate, '-hostkey', bob.key)
    t.strictSame(await of(byUser), { dn: aliceDn, fqans: [] })
    const file = await pki.proxy(alice, { fqans: [RADIOLOGIST] })
    const theirs = new X509Certificate(await readFile(file))
    const extension = theirs.raw.subarray(
      theirs.raw.indexOf(Buffer.from('060a2b06010401be45646405', 'hex')) + 12,
    )
    const value = extension.subarray(4, 4 + extension.readUInt16BE(2))
    const eec = new X509Certificate(await readFile(bob.certificate))
    const moved = proxyOf(holderOf(eec, createPrivateKey(await readFile(bob.key))), {
      extensions: [[carrying()[0], false, value]],
    })
    const inFile = join(pki.dir, 'moved.pem')
    await writeFile(inFile, proxyFile(moved), { mode: 0o600 })
    t.strictSame(await of(inFile), { dn: parseDn(bob.dn), fqans: [] })
  })

  t.test('voms-proxy-info reads the attribute certificates that our tests write', async (t) => {
    const read = async (file: string) => new X509Certificate(await readFile(file))
    const key = async (file: string) => createPrivateKey(await readFile(file))
    const owner = holderOf(await read(alice.certificate), await key(alice.key))
    const at = (file: string) => join(pki.dir, file)
    const signer = { certificate: await read(at('voms.pem')), key: await key(at('voms.key')) }
    const dates = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) }
    const own = attributeCertificate({
      ...{ signer, holder: owner.certificate, vo: VO, host: 'voms.mdm-test.org', ...dates },
      fqans: [`/${VO}/Role=NULL/Capability=NULL`, `${RADIOLOGIST}/Capability=NULL`],
    })
    const proxy = proxyOf(owner, { ...dates, key: rsa(2048), extensions: [carrying(own)] })
    const file = at('own.pem')
    await writeFile(file, proxyFile(proxy), { mode: 0o600 })
    const env = {
      ...{ ...process.env, HOME: pki.dir },
      ...{ X509_CERT_DIR: pki.certificates, X509_VOMS_DIR: pki.vomsdir },
    }
    const { stdout } = await exec('voms-proxy-info', ['-all', '-file', file], { env })
    t.match(stdout, `attribute : ${RADIOLOGIST}/Capability=NULL`)
    t.match(stdout, /VO +: mdm\.example\.org/)
    t.strictSame((await of(file))?.fqans, [`/${VO}`, RADIOLOGIST])
  })
}
