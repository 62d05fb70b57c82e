import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { loadCredential } from '@mdm/core/identity/credential'
import { openCrlFolder } from '@mdm/core/identity/crl/crl-folder'
import { parseDn } from '@mdm/core/identity/dn'
import { identify } from '@mdm/core/identity/identify'
import { LANGUAGE } from '@mdm/core/identity/proxy/policy'
import { sampleSite, trusted } from '../core/identity/roster-samples.ts'
import { makeGridPki, NAME_SPACE, type GridPki } from '../fixtures/peers/grid-pki.ts'
import { missing } from '../fixtures/peers/peer.ts'

/** Proxies as the tools of grids make them, in the files that they write, against a folder of CAs as grids keep it. */
const pki = missing('arcproxy') === undefined ? await makeGridPki(t) : undefined
if (pki === undefined) t.pass('skipped: openssl, voms-clients or nordugrid-arc-client is not installed')
else await withTools(pki)

async function withTools(pki: GridPki): Promise<void> {
  const exec = promisify(execFile)
  const at = (name: string) => join(pki.dir, name)
  const alice = await pki.issue('alice', 'Alice Martin')
  const env = { ...process.env, HOME: pki.dir, X509_CERT_DIR: pki.certificates }
  const run = async (program: string, args: string[], more: NodeJS.ProcessEnv = {}) =>
    void (await exec(program, args, { cwd: pki.dir, env: { ...env, ...more } }))
  const sample = sampleSite()
  const ca = new X509Certificate(await readFile(pki.ca))
  const userCas = [{ certificate: ca.raw.toString('base64'), nameSpaces: [parseDn(NAME_SPACE)] }]
  const roster = await trusted({ ...sample.body, userCas }, sample.signer)
  const folder = openCrlFolder(pki.certificates)

  /** What the owner of a proxy file is known as; the code of the refusal where he is not. */
  const seen = async (file: string) => {
    try {
      const { chain } = await loadCredential({ certificate: file, key: file })
      await folder.refresh(roster.userCas, new Date())
      const caller = identify(chain, roster, new Date(), folder)
      if (caller.kind !== 'user') return caller.kind
      return caller.dn === parseDn(alice.dn) ? (caller.proxy ?? 'the owner') : 'somebody else'
    } catch (error) {
      return (error as { code: string }).code
    }
  }

  let made = 0
  const voms = async (from: { certificate: string; key: string }, ...args: string[]) => {
    const out = at(`voms-${++made}.pem`)
    const pair = ['-cert', from.certificate, '-key', from.key, '-out', out, '-certdir', pki.certificates]
    await run('voms-proxy-init', [...pair, '-bits', '2048', '-valid', '12:00', ...args])
    return out
  }
  const both = (file: string) => ({ certificate: file, key: file })

  const arc = async (from: { certificate: string; key: string }) => {
    const out = at(`arc-${++made}.pem`)
    await run('arcproxy', [], {
      X509_USER_CERT: from.certificate,
      X509_USER_KEY: from.key,
      X509_USER_PROXY: out,
    })
    return out
  }

  t.test(
    'voms-proxy-init and arcproxy: plain, of a proxy, limited; the legacy form is refused',
    async (t) => {
      const plain = await voms(alice, '-rfc')
      t.equal(await seen(plain), 'full')
      t.equal(await seen(await arc(alice)), 'full')
      t.equal(await seen(await arc(both(plain))), 'full', 'two levels')
      const limited = await voms(alice, '-rfc', '-limited')
      t.equal(await seen(limited), 'limited')
      t.equal(await seen(await arc(both(limited))), 'limited', 'two levels')
      t.equal(await seen(await arc(both(await arc(both(plain))))), 'full', 'three levels')
      t.equal(await seen(await voms(alice, '-old')), 'MDM_CONFIG')
    },
  )

  const openssl = async (from: { certificate: string; key: string }, info: string) => {
    const name = `openssl-${++made}`
    const subject = (
      await exec('openssl', ['x509', '-in', from.certificate, '-noout', '-subject', '-nameopt', 'compat'])
    ).stdout
    const dn = `${subject.trim().replace(/^subject=\s*/, '')}/CN=${made}`
    await run('openssl', [
      'req',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
      '-subj',
      dn,
    ])
    await writeFile(
      at(`${name}.ext`),
      `keyUsage=critical,digitalSignature,keyEncipherment\nproxyCertInfo=${info}\n`,
    )
    const by = ['-CA', from.certificate, '-CAkey', from.key, '-set_serial', String(made)]
    await run('openssl', [
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      ...by,
      '-days',
      '1',
      '-extfile',
      `${name}.ext`,
      '-out',
      `${name}.crt`,
    ])
    const parts = await Promise.all([`${name}.crt`, `${name}.key`].map((file) => readFile(at(file), 'utf8')))
    await writeFile(at(`${name}.pem`), [...parts, await readFile(from.certificate, 'utf8')].join(''), {
      mode: 0o600,
    })
    return at(`${name}.pem`)
  }

  t.test('openssl: plain, of a proxy, limited; independent and too long ones are refused', async (t) => {
    const plain = await openssl(alice, 'critical,language:id-ppl-inheritAll')
    t.equal(await seen(plain), 'full')
    t.equal(await seen(await openssl(both(plain), 'critical,language:id-ppl-inheritAll')), 'full')
    t.equal(await seen(await openssl(alice, `critical,language:${LANGUAGE.limited}`)), 'limited')
    t.equal(await seen(await openssl(alice, 'critical,language:id-ppl-independent')), 'MDM_CONFIG')
    t.equal(await seen(await openssl(alice, 'language:id-ppl-inheritAll')), 'MDM_CONFIG', 'not critical')
    const short = await openssl(alice, 'critical,language:id-ppl-inheritAll,pathlen:0')
    t.equal(await seen(short), 'full')
    t.equal(await seen(await openssl(both(short), 'critical,language:id-ppl-inheritAll')), 'MDM_CONFIG')
  })

  t.test('the folder of a grid: a signing policy that narrows, and a list that revokes', async (t) => {
    const plain = await voms(alice, '-rfc')
    const hash = (await exec('openssl', ['x509', '-in', pki.ca, '-noout', '-hash'])).stdout.trim()
    const policy = join(pki.certificates, `${hash}.signing_policy`)
    const text = await readFile(policy, 'utf8')
    await writeFile(policy, text.replace('mdm-test/*', 'mdm-test/OU=x/*'))
    t.equal(await seen(plain), 'MDM_UNAUTHENTICATED')
    await writeFile(policy, 'damaged')
    t.equal(await seen(plain), 'MDM_CRL')
    await writeFile(policy, text)
    t.equal(await seen(plain), 'full')
    await pki.revoke(alice)
    t.equal(await seen(plain), 'MDM_REVOKED')
  })
}
