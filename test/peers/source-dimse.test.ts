import { associate } from '@mdm/server/dicom/dimse/index'
import { SourceConfig } from '@mdm/server/dicom/source-config'
import { openSource } from '@mdm/server/dicom/sources/index'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { AWKWARD } from '../conformance/awkward-series.ts'
import { dicomSourceContract } from '../conformance/dicom-source.ts'
import { startCtn } from '../fixtures/peers/ctn.ts'
import { startDcmqrscp } from '../fixtures/peers/dcmqrscp.ts'
import { startOrthanc } from '../fixtures/peers/orthanc.ts'
import { CALLING_AE, type Pacs } from '../fixtures/peers/peer.ts'
import { scriptedObjects } from '../fixtures/scripted-objects.ts'

const open = async (t: Test, url: string) => {
  const source = await openSource(SourceConfig.parse({ name: 'pacs', url }))
  t.teardown(() => source.close())
  return source
}
const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.dcm'))
    .map((name) => join(folder, name))

// Servers built on DCMTK write each data set anew as they send it; none of the three takes a sequence of unknown VR.
const ANEW = { keeps: 'values', pads: true } as const
const EXPLICIT = '1.2.840.10008.1.2.1'
const IMPLICIT = '1.2.840.10008.1.2'
const COMPRESSED = AWKWARD.filter((kind) => kind.startsWith('encapsulated') || kind === 'deflated')

/** By our own C-STORE: those of DCMTK convert what they send. */
async function storeAsTheyAre({ ae, port }: Pacs, files: readonly string[]): Promise<void> {
  const objects = await scriptedObjects(files)
  const pairs = new Map(objects.map((o) => [`${o.sopClass} ${o.transferSyntax}`, o]))
  const proposals = [...pairs.values()].map(({ sopClass, transferSyntax }) => ({
    ...{ abstractSyntax: sopClass, transferSyntaxes: [transferSyntax] },
  }))
  const association = await associate(
    { host: '127.0.0.1', port, calledAe: ae, callingAe: CALLING_AE },
    proposals,
  )
  for (const object of objects) {
    const status = await association.store({ ...object, chunks: [object.data] })
    if (status !== 0) throw new Error(`${ae} does not take an object: ${status}`)
  }
  await association.release()
}

const orthanc = await startOrthanc(t)
if (orthanc === undefined) t.pass('Orthanc is not installed here')
else
  dicomSourceContract(
    'Orthanc over DIMSE',
    async (t, folder) => {
      await orthanc.empty()
      await orthanc.upload(...filesIn(folder))
      return await open(t, orthanc.url)
    },
    { ...ANEW, without: ['unknown VR'] },
  )
// It answers in explicit VR, where a private sequence that it stored in implicit VR is of unknown VR.
if ((await startDcmqrscp(t)) === undefined) t.pass('dcmqrscp is not installed here')
else
  dicomSourceContract(
    'dcmqrscp',
    async (t, folder) => {
      const pacs = (await startDcmqrscp(t))!
      await storeAsTheyAre(pacs, filesIn(folder))
      return await open(t, pacs.url)
    },
    { ...ANEW, sends: EXPLICIT, without: [...COMPRESSED, 'implicit', 'unknown VR'] },
  )
const ctn = await startCtn(t)
if (ctn === undefined) t.pass('CTN is not installed here')
else
  dicomSourceContract(
    'CTN',
    async (t, folder) => {
      await ctn.empty()
      await ctn.store(folder)
      return await open(t, ctn.url)
    },
    { ...ANEW, sends: IMPLICIT, without: [...COMPRESSED, 'unknown VR'], broken: ['c-get'] },
  )
