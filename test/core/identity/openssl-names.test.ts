import { execFileSync, spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readCertificate } from '@mdm/core/identity/certificate'
import { parseDn } from '@mdm/core/identity/dn'

const present = spawnSync('openssl', ['version']).status === 0

t.test('names in certificates of the openssl tool are read, whatever string types it chose', async (t) => {
  if (!present) return t.pass('skipped: no openssl tool here')
  const dir = t.testdir()
  const made = (subject: string, stringMask: string) => {
    const config = join(dir, 'openssl.cnf')
    writeFileSync(
      config,
      `[req]\ndistinguished_name=dn\nstring_mask=${stringMask}\nprompt=no\n[dn]\nCN=unused\n`,
    )
    const args = [
      'req',
      '-x509',
      '-newkey',
      'ed25519',
      '-nodes',
      '-keyout',
      join(dir, 'key'),
      '-out',
      join(dir, 'pem'),
    ]
    execFileSync('openssl', [...args, '-utf8', '-multivalue-rdn', '-config', config, '-subj', subject], {
      stdio: 'pipe',
    })
    const pem = execFileSync('openssl', ['x509', '-in', join(dir, 'pem')])
    return readCertificate(new X509Certificate(pem).raw).dn
  }
  const alice = '/C=FR/O=Hospital/CN=Alice Martin/emailAddress=alice@example.org/UID=am'
  for (const mask of ['utf8only', 'pkix', 'nombstr']) t.equal(made(alice, mask), parseDn(alice), mask)
  t.equal(made('/O=Hôpital/CN=Zoé', 'utf8only'), parseDn('CN=ZOÉ,O=HÔPITAL'))
  t.equal(made('/O=x/OU=b+CN=Carol', 'utf8only'), parseDn('CN=carol+OU=b,O=x'))
  t.equal(made('/O=x/CN=Mallory\\/CN=Alice', 'utf8only'), parseDn('CN=Mallory/CN=Alice,O=x'))
})
