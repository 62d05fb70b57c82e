import t from 'tap'
import { parseSurl } from '@mdm/core/grid/srm/srm-url'
import type { OutputPlan } from '../../packages/cli/src/output-plan.ts'
import { pathOfStored, rawNames, requireOwnPaths } from '../../packages/cli/src/stored-input.ts'

const GUID = '0d9c8c1e-4d0b-4c41-9a53-3f6f2a0c6f55'
const FOLDER: OutputPlan = { level: 'raw', format: 'nrrd', kind: 'folder', path: 'out/' }

t.test('a file is called by its GUID, or as its service calls it where that is a name here', async (t) => {
  const path = (sfn: string) => pathOfStored(FOLDER, parseSurl(`srm://h${sfn}`))
  t.equal(path(`/mdm/${GUID}`), `out/${GUID}.mdm`)
  t.equal(path(`/mdm/${GUID}@2`), `out/${GUID}@2.mdm`)
  t.equal(path('/pnfs/run-7.root'), 'out/run-7.root')
  for (const sfn of [
    '/data/..',
    '/data/.',
    '/data/.profile',
    '/data/-rf',
    '/data/a;b',
    `/data/${'x'.repeat(300)}`,
  ])
    t.throws(() => path(sfn), { code: 'MDM_USAGE' }, sfn.slice(0, 20))
  t.equal(pathOfStored({ ...FOLDER, kind: 'file', path: 'x' }, parseSurl('srm://h/data/..')), 'x')
})

t.test('which names are for a storage service is said by the name, or by the configuration', async (t) => {
  const texts = [GUID, `srm://h/mdm/${GUID}`, '/demo/folder/MR/000001', `instance:${GUID}`]
  const kinds = async (srm?: string) =>
    (await rawNames(texts, srm)).map((n) => ('file' in n ? n.file.surl : 'site'))
  t.strictSame(await kinds(), ['site', `srm://h/mdm/${GUID}`, 'site', 'site'])
  const asked = `srm://se:8446/srm/managerv2?SFN=/mdm/${GUID}`
  t.strictSame(await kinds('srm://se:8446'), [asked, `srm://h/mdm/${GUID}`, 'site', 'site'])
  await t.rejects(rawNames(['nonsense'], undefined), { code: 'MDM_USAGE' })
})

t.test('two files of one name do not become one', async (t) => {
  const names = await rawNames(['srm://h/a/x', 'srm://h/b/x'], undefined)
  t.throws(() => requireOwnPaths(FOLDER, names), { code: 'MDM_USAGE' })
  requireOwnPaths(FOLDER, names.slice(1))
})
