import { execFileSync, spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createCa, issueCertificate } from '@mdm/core/identity/ca'
import { readCertificate } from '@mdm/core/identity/certificate'
import { crlsIn } from '@mdm/core/identity/crl/crl-text'
import { openCrl, readCrl } from '@mdm/core/identity/crl/read-crl'
import { nextCrl, serialOf } from '@mdm/core/identity/crl/write-crl'

/** Revocation lists between the openssl tool and us, both ways. */
const present = spawnSync('openssl', ['version']).status === 0
if (!present && process.env.MDM_PEERS === 'required')
  throw new Error('MDM_PEERS=required, but openssl is not installed')
if (!present) t.pass('skipped: openssl is not installed')

const caOf = (pem: Buffer | string) => {
  const x509 = new X509Certificate(pem)
  return { certificate: x509, identity: readCertificate(x509.raw), nameSpaces: [] }
}

if (present) {
  t.test('openssl reads, verifies and goes by a list that "mdm ca" wrote', async (t) => {
    const dir = t.testdir()
    const at = (file: string) => join(dir, file)
    const ca = await createCa({ dn: 'CN=Lab CA,O=Exämple', days: 30 })
    const users = await Promise.all(
      ['Ann', 'Bea'].map((cn) =>
        issueCertificate({ ca, dn: `CN=${cn},O=Exämple`, days: 20, usage: 'client' }),
      ),
    )
    const [ann, bea] = users.map(({ certificate }) => new X509Certificate(certificate))
    const revoke = [serialOf(ann!.serialNumber)]
    const { pem } = nextCrl({ ca, last: undefined, revoke, days: 7, now: new Date() })
    for (const [file, text] of [
      ['ca.pem', ca.certificate],
      ['ann.pem', String(ann)],
      ['bea.pem', String(bea)],
      ['ca.crl', pem],
    ] as const)
      writeFileSync(at(file), text)
    const verified = spawnSync('openssl', [
      'crl',
      '-in',
      at('ca.crl'),
      '-CAfile',
      at('ca.pem'),
      '-noout',
      '-text',
    ])
    t.equal(verified.status, 0)
    t.match(String(verified.stderr), /verify OK/)
    const text = String(verified.stdout)
    t.match(text, /Version 2[^]*sha256WithRSAEncryption[^]*Authority Key Identifier[^]*CRL Number:[^]*1\n/)
    t.match(text, new RegExp(`Serial Number: ${ann!.serialNumber}`))
    const check = (who: string) =>
      spawnSync('openssl', [
        ...['verify', '-crl_check', '-x509_strict', '-CAfile', at('ca.pem'), '-CRLfile', at('ca.crl')],
        at(who),
      ])
    t.match(String(check('ann.pem').stderr), /certificate revoked/)
    t.equal(check('bea.pem').status, 0, String(check('bea.pem').stderr))
  })

  t.test(
    'a list that openssl made is read, by any of its keys; its deltas and old ones are not',
    async (t) => {
      for (const algorithm of ['rsa:2048', 'ec', 'ed25519']) {
        const dir = t.testdir({ index: '', 'index.attr': '', number: '0A\n', serial: '00F1\n' })
        const at = (file: string) => join(dir, file)
        const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' })
        writeFileSync(
          at('cnf'),
          `[req]\ndistinguished_name=dn\nprompt=no\nx509_extensions=ca\n[dn]\nO=Example\nCN=Tool CA\n[ca]
basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash
[authority]\ndatabase=index\ncrlnumber=number\nserial=serial\nnew_certs_dir=.\ncertificate=ca.pem\nprivate_key=ca.key
default_md=${algorithm === 'ed25519' ? 'null' : 'sha256'}\npolicy=any\ndefault_days=9\n[any]\nCN=supplied\nO=optional
[list]\nauthorityKeyIdentifier=keyid\n[delta]\n2.5.29.27=critical,DER:020101\n`,
        )
        const curve = algorithm === 'ec' ? ['-pkeyopt', 'ec_paramgen_curve:P-256'] : []
        const words = (line: string) => line.split(' ')
        const makeCa = () =>
          openssl(
            ...words(`req -x509 -config cnf -nodes -days 9 -keyout ca.key -out ca.pem -newkey ${algorithm}`),
            ...curve,
          )
        const authority = (...args: string[]) => openssl(...words('ca -config cnf -name authority'), ...args)
        const list = (...args: string[]) => {
          authority(...words('-gencrl -crldays 7 -out crl'), ...args)
          return readFileSync(at('crl'))
        }
        makeCa()
        openssl(
          ...words(
            'req -new -config cnf -newkey ed25519 -nodes -keyout key -out csr -subj /O=Example/CN=Ann',
          ),
        )
        authority(...words('-batch -in csr -out ann.pem -notext'))
        authority(...words('-revoke ann.pem -crl_reason keyCompromise'))
        const ca = caOf(readFileSync(at('ca.pem')))
        const read = (file: Buffer) => readCrl(openCrl(crlsIn(file)[0]!), ca)
        const { serial } = readCertificate(new X509Certificate(readFileSync(at('ann.pem'))).raw)
        t.equal(serial, '00f1')
        const good = read(list('-crlexts', 'list'))
        t.strictSame([[...good.revoked.keys()], good.number], [['00f1'], 10n], algorithm)
        t.ok(read(list()).revoked.has('00f1'), 'version 2 without a number, for its reason code')
        openssl('crl', '-in', 'crl', '-outform', 'DER', '-out', 'der')
        t.ok(read(readFileSync(at('der'))).revoked.has('00f1'), 'in DER')
        const refused = { code: 'MDM_CRL' }
        t.throws(() => read(list('-crlexts', 'delta')), refused, 'a delta')
        const past = list('-crl_lastupdate', '20260101000000Z', '-crl_nextupdate', '20260102000000Z')
        t.equal(read(past).nextUpdate.toISOString(), '2026-01-02T00:00:00.000Z')
        makeCa()
        t.throws(() => read(list('-crlexts', 'list')), refused, 'a CA of the same name with another key')
      }
    },
  )
}
