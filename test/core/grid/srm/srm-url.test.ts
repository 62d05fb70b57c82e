import t from 'tap'
import { parseEndpoint, parseSurl, volumeAt } from '@mdm/core/grid/srm/srm-url'
import type { Guid } from '@mdm/core/names'

const GUID = '0d9c8c1e-4d0b-4c41-9a53-3f6f2a0c6f55' as Guid

t.test('a SURL is read in its full and its short form', async (t) => {
  const full = parseSurl(`srm://SE.example.org:8446/srm/managerv2?SFN=/mdm/${GUID}`)
  t.match(full, { sfn: `/mdm/${GUID}`, guid: GUID, version: undefined, isContainer: true })
  t.equal(full.endpoint.url.href, 'https://se.example.org:8446/srm/managerv2')
  const short = parseSurl(`srm://se.example.org/pnfs/vo/run 7/a.root`.replace(' ', '-'))
  t.match(short, { sfn: '/pnfs/vo/run-7/a.root', guid: undefined, isContainer: false })
  t.equal(short.endpoint.text, 'srm://se.example.org:8443/srm/managerv2')
  t.equal(parseSurl('srm://[::1]:8446/a').endpoint.url.host, '[::1]:8446')
})

t.test('a SURL without a port may mean any of those that services of SRM listen on', async (t) => {
  const { endpoint } = parseSurl('srm://h/srm/managerv2?SFN=/a')
  t.strictSame(
    [endpoint.url, ...(endpoint.others ?? [])].map(({ href }) => href),
    [8443, 8446, 8444].map((port) => `https://h:${port}/srm/managerv2`),
  )
  t.notOk(parseSurl('srm://h:8444/a').endpoint.others, 'and one with a port that one alone')
})

t.test('a SURL of an old catalog means the service beside the one it names', async (t) => {
  const old = parseSurl('srm://h:8443/srm/managerv1?SFN=/pnfs/a')
  t.equal(old.endpoint.url.href, 'https://h:8443/srm/managerv2')
  t.equal(old.surl, 'srm://h:8443/srm/managerv1?SFN=/pnfs/a', 'and is sent as it is')
  t.equal(parseSurl('srm://h:8443//srm/managerv2?SFN=//a').endpoint.url.href, 'https://h:8443/srm/managerv2')
  t.equal(parseSurl('srm://h:8443/srm/v2/server?SFN=/a').endpoint.url.pathname, '/srm/v2/server')
})

t.test('a path that ends in a GUID names a volume, and only below /mdm it must be one', async (t) => {
  t.match(parseSurl(`srm://h/mdm/${GUID}@3`), { guid: GUID, version: 3, isContainer: true })
  t.match(parseSurl(`srm://h/copies/${GUID.toUpperCase()}.mdm`), { guid: GUID, isContainer: false })
  t.equal(parseSurl(`srm://h/mdm/sub/${GUID}`).isContainer, false)
})

t.test('a volume is asked of a service by its GUID', async (t) => {
  const endpoint = parseEndpoint('srm://se.example.org:8446/srm/managerv2')
  const { surl } = volumeAt(endpoint, GUID, 2)
  t.equal(surl, `srm://se.example.org:8446/srm/managerv2?SFN=/mdm/${GUID}@2`)
  t.match(parseSurl(surl), { guid: GUID, version: 2 })
  t.equal(parseEndpoint('httpg://h:1/srm/v2/server').text, 'srm://h:1/srm/v2/server')
  t.equal(parseEndpoint('srm://h:8446').text, 'srm://h:8446/srm/managerv2')
})

t.test('what is no SURL is refused', async (t) => {
  for (const text of [
    ...['', 'srm://', 'srm:///mdm/x', 'srm://h', 'srm://h/', 'https://h/x', 'srm://u@h/x', 'srm://h:0/x'],
    ...['srm://h:70000/x', 'srm://h/x?SFN=', 'srm://h/a b', 'srm://h/a#b', `srm://h/${'x'.repeat(1_100)}`],
  ])
    t.throws(() => parseSurl(text), { code: 'MDM_USAGE' }, text.slice(0, 40))
  for (const text of ['h:8446', 'srm://h/x?SFN=/y', 'https://h', 'srm://h:99999'])
    t.throws(() => parseEndpoint(text), { code: 'MDM_USAGE' }, text)
})
