import { mkdir, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { NO_LISTS } from '@mdm/core/identity/crl/revocations'
import { parseDn } from '@mdm/core/identity/dn'
import { readLsc } from '@mdm/core/identity/voms/lsc'
import { openVomsFolder } from '@mdm/core/identity/voms/voms-folder'
import { HOST, VO } from '../../../fixtures/x509/attribute-certificate.ts'
import { CA_LINE, FQAN, SERVER_LINE, vomsSite } from './voms-site.ts'

const now = new Date('2026-11-24T12:00:00Z')
const subject = parseDn(SERVER_LINE)
const issuer = parseDn(CA_LINE)

t.test('an LSC file is a subject and its issuer, in either form, once for each chain', async (t) => {
  t.strictSame(readLsc(`${SERVER_LINE}\n${CA_LINE}\n`), [{ subject, issuer }])
  t.strictSame(readLsc(`\r\n${SERVER_LINE}  \r\n${CA_LINE}\r\n/CN=Root\r\n`), [{ subject, issuer }])
  t.strictSame(readLsc('CN=voms.mdm-test.org,O=Hospital,C=FR\nCN=Hospital CA, O=Hospital, C=FR'), [
    { subject, issuer },
  ])
  const two = readLsc(`${SERVER_LINE}\n${CA_LINE}\n------ NEXT CHAIN ------\n/CN=New server\n/CN=New CA\n`)
  t.strictSame(two[1], { subject: parseDn('CN=New server'), issuer: parseDn('CN=New CA') })
})

t.test('an LSC file with a line that is no name, or a chain that is no pair, is refused', async (t) => {
  const bad = { code: 'MDM_CONFIG' }
  for (const text of [
    '',
    SERVER_LINE,
    'voms.mdm-test.org',
    `${SERVER_LINE}\n${CA_LINE}\n------ NEXT CHAIN ------\n`,
    `------ NEXT CHAIN ------\n${SERVER_LINE}\n${CA_LINE}`,
    `/CN=host/voms.mdm-test.org\n${CA_LINE}`,
  ])
    t.throws(() => readLsc(text), bad, JSON.stringify(text))
  t.throws(() => readLsc(`${SERVER_LINE}\nnonsense\n`), { message: /^line 2: / })
})

t.test('without a folder nobody has attributes', async (t) => {
  const site = await vomsSite(t)
  const none = openVomsFolder(undefined)
  await none.refresh()
  const chain = site.chain(site.alice, site.attributes(site.alice))
  t.strictSame(none.fqansOf(chain, site.roster, now, NO_LISTS), [])
  t.strictSame(none.faults, [])
})

t.test('what changes in the folder counts with the next look', async (t) => {
  const site = await vomsSite(t)
  const { folder } = site
  const chain = site.chain(site.alice, site.attributes(site.alice))
  const look = async () => {
    await folder.refresh()
    return folder.fqansOf(chain, site.roster, now, NO_LISTS)
  }
  const file = join(site.dir, VO, `${HOST}.lsc`)
  t.strictSame(await look(), [FQAN.vo])
  t.match(folder.servers, [{ file, vo: VO, host: HOST, names: [{ subject, issuer }] }])

  await site.lsc(['/C=FR/O=Hospital/CN=another', CA_LINE])
  t.strictSame(await look(), [], 'another certificate')
  await site.lsc([SERVER_LINE, '/CN=Other CA'])
  t.strictSame(await look(), [], 'another issuer')
  await site.lsc(['/CN=old', '/CN=old CA', '------ NEXT CHAIN ------', SERVER_LINE, CA_LINE])
  t.strictSame(await look(), [FQAN.vo], 'the second chain')

  await writeFile(file, 'nonsense')
  t.strictSame(await look(), [], 'damaged: not trusted, unlike a revocation list')
  t.match(folder.faults, [{ file, message: /^line 1: / }])
  await writeFile(file, 'x'.repeat(70_000))
  await look()
  t.match(folder.faults, [{ file, message: 'the file is too long' }])

  await site.lsc([SERVER_LINE, CA_LINE])
  t.strictSame(await look(), [FQAN.vo])
  await rm(file)
  t.strictSame(await look(), [], 'removed')
  t.strictSame(folder.faults, [])

  await site.lsc([SERVER_LINE, CA_LINE], { host: HOST.toUpperCase() })
  t.strictSame(await look(), [FQAN.vo], 'a file named in another case')
  await rm(site.dir, { recursive: true })
  t.strictSame(await look(), [])
  t.match(folder.faults, [{ file: site.dir, message: /cannot be read/ }])
})

t.test('a folder of a grid holds other files too; a host that is none is named', async (t) => {
  const site = await vomsSite(t)
  await writeFile(join(site.dir, 'voms.example.org.pem'), 'a certificate')
  await writeFile(join(site.dir, VO, 'voms.example.org.pem'), 'a certificate')
  await mkdir(join(site.dir, VO, 'folder.lsc'))
  await mkdir(join(site.dir, '.git'))
  await symlink(join(site.dir, VO), join(site.dir, 'linked'))
  await symlink(join(site.dir, 'nowhere'), join(site.dir, 'dangling'))
  await writeFile(join(site.dir, VO, 'not a host.lsc'), `${SERVER_LINE}\n${CA_LINE}\n`)
  await site.folder.refresh()
  t.match(site.folder.servers, [{ vo: 'linked' }, { vo: VO }])
  t.match(
    site.folder.faults.map(({ message }) => message),
    ['the file is not named by a host', 'the file is not named by a host'],
  )
})

t.test('a file that did not change is not read again', async (t) => {
  const site = await vomsSite(t)
  const [first] = site.folder.servers
  await site.folder.refresh()
  t.equal(site.folder.servers[0], first)
  await utimes(join(site.dir, VO, `${HOST}.lsc`), 1, 1)
  await site.folder.refresh()
  t.not(site.folder.servers[0], first)
})
