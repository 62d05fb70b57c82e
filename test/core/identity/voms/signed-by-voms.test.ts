import type { X509Certificate } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { MdmError } from '@mdm/core/errors'
import { NO_LISTS } from '@mdm/core/identity/crl/revocations'
import { parseDn } from '@mdm/core/identity/dn'
import { identify } from '@mdm/core/identity/identify'
import { certificatesIn } from '@mdm/core/identity/pem'
import { carriedBy } from '@mdm/core/identity/voms/carried'
import { openVomsFolder } from '@mdm/core/identity/voms/voms-folder'
import { sampleSite, trusted } from '../roster-samples.ts'

/**
 * A proxy with the attribute certificates of two VOMS servers of Debian 12 (voms-server 2.1.0~rc3-4), made by `voms-proxy-init -rfc
 * -voms mdm.example.org:/mdm.example.org/physicians/Role=radiologist -voms second.example.org`; then the user's certificate, and the
 * CA's. The first server ran with `-newformat` and gives a tag, the second with `-timeout 1800`. There are no keys.
 */
const FILE = join(import.meta.dirname, '../../../fixtures/x509/signed-by-voms.pem')
const [proxy, user, ca] = certificatesIn(await readFile(FILE, 'utf8')) as [
  X509Certificate,
  X509Certificate,
  X509Certificate,
]
const SIGNED = Date.parse('2026-11-28T03:32:22Z')
const minutes = (count: number) => new Date(SIGNED + count * 60_000)

const dir = t.testdir()
for (const vo of ['mdm.example.org', 'second.example.org']) {
  await mkdir(join(dir, vo))
  const lsc = '/DC=org/DC=mdm-test/CN=voms.mdm-test.org\n/DC=org/DC=mdm-test/CN=MDM Test CA\n'
  await writeFile(join(dir, vo, 'voms.mdm-test.org.lsc'), lsc)
}
const sample = sampleSite()
const userCas = [{ certificate: ca.raw.toString('base64'), nameSpaces: [parseDn('DC=mdm-test,DC=org')] }]
const roster = await trusted({ ...sample.body, userCas }, sample.signer)
const folder = openVomsFolder(dir)
await folder.refresh()
const fqansAt = (at: Date) => {
  const caller = identify([proxy, user], roster, at, NO_LISTS, folder)
  return caller.kind === 'user' ? caller.fqans : undefined
}

t.test('attributes that real VOMS servers signed are read and verified', async (t) => {
  const first = [
    '/mdm.example.org/physicians/Role=radiologist',
    '/mdm.example.org/physicians',
    '/mdm.example.org',
  ]
  const second = ['/second.example.org/team', '/second.example.org']
  const given = fqansAt(minutes(1))!
  t.strictSame(given.slice(0, 3), first)
  t.strictSame([...given.slice(3)].sort(), second.sort())
  t.strictSame(fqansAt(minutes(31)), first, 'the second server gave half an hour')
})

t.test('a server names the holder by issuer, or without -newformat by subject', async (t) => {
  const holders = carriedBy(proxy).map((one) => {
    if (one instanceof MdmError) throw one
    t.equal(one.holder.serial.toUpperCase(), user.serialNumber)
    return one.holder.issuer
  })
  t.strictSame(
    holders,
    ['CN=MDM Test CA,DC=mdm-test,DC=org', 'CN=Alice Martin,DC=mdm-test,DC=org'].map(parseDn),
  )
})
