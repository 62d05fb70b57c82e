import t from 'tap'
import { Guid, formatVolumeName, newGuid, newKid, Kid, parseVolumeName, surlOf } from '@mdm/core/names'

const guid = '3f2504e0-4f89-41d3-9a0c-0305e82c3301'

t.test('a volume may be called by GUID, GUID and version, LFN or SURL', async (t) => {
  for (const text of [
    guid,
    `${guid}@2`,
    '/demo/phantoms/CT/000001',
    surlOf('localhost', 8446, guid as Guid),
  ]) {
    t.equal(formatVolumeName(parseVolumeName(text)), text)
  }
  t.same(parseVolumeName(guid.toUpperCase()), { guid }, 'GUIDs are written in lower case')
})

t.test('and by the names that grid clients take', async (t) => {
  const [lfn, at] = ['/demo/phantoms/CT/000001', 'srm://se.example:8446']
  t.same(parseVolumeName(`${at}/mdm/${guid}`), { guid })
  t.same(parseVolumeName(`srm://se.example/mdm/${guid}@2`), { guid, version: 2 })
  t.same(parseVolumeName(`${at}/srm/managerv2?SFN=/mdm/${guid}@2`), { guid, version: 2 })
  for (const path of ['', '/srm/managerv2?SFN=']) t.same(parseVolumeName(`${at}${path}/lfn${lfn}`), { lfn })
  for (const path of [
    '',
    guid,
    `/lfn${guid}`,
    '/lfn',
    `/mdm/instance:${guid}`,
    `/mdm/${guid}?x`,
    '/mdm/../x',
  ])
    t.throws(() => parseVolumeName(`${at}${path}`), { code: 'MDM_USAGE' }, path)
  t.throws(() => parseVolumeName(`https://se.example/mdm/${guid}`), {
    code: 'MDM_USAGE',
    next: /srm:\/\/HOST:PORT/,
  })
  t.throws(() => parseVolumeName('/demo/phantoms/CT/1'), { code: 'MDM_USAGE', next: /zeros/ })
})

t.test('anything else is refused as usage', async (t) => {
  for (const text of [
    '',
    'x',
    `${guid}@0`,
    `${guid}@x`,
    `${guid}@1@2`,
    '/demo/../CT/000001',
    '/demo/phantoms/ct/1',
    `srm://h/srm/managerv2?SFN=/etc/${guid}`,
    `${guid}\n`,
  ]) {
    t.throws(() => parseVolumeName(text), { code: 'MDM_USAGE', exitCode: 2 }, JSON.stringify(text))
  }
})

t.test('new names have the form the schemas ask for, and differ', async (t) => {
  t.equal(Guid.parse(newGuid()).length, 36)
  t.equal(Kid.parse(newKid()).length, 32)
  t.not(newGuid(), newGuid())
})
