import { parseNrrdHeader } from '@mdm/core/volume/formats/nrrd'
import type { Attributes } from '@mdm/server/dicom/dcmjs/write-object'
import { writeSeries } from '@mdm/server/dicom/dcmjs/write-series'
import { folderSource } from '@mdm/server/dicom/sources/folder'
import { sliceVoxels } from '@mdm/server/volume/assemble'
import { burnedInRisk } from '@mdm/server/volume/burned-in'
import { PROFILE } from '@mdm/server/volume/deidentify'
import { planSeries } from '@mdm/server/volume/group'
import t from 'tap'
import { planned, refusals, small } from './generated.ts'
import { collect, plaintextOf } from './plaintext.ts'

async function read(dir: string, attributes: (k: number) => Attributes) {
  await writeSeries(dir, small({ attributes }))
  const source = folderSource('generated', dir)
  const [ref] = await source.series()
  return { source, ref: ref!, headers: await collect(source.headers(ref!)) }
}

const held: Record<string, Record<string, unknown>> = {
  'annotations burned in': { BurnedInAnnotation: 'YES' },
  'annotations, in a word of its own': { BurnedInAnnotation: 'PERHAPS' },
  'a secondary capture': { SOPClassUID: '1.2.840.10008.5.1.4.1.1.7' },
  'a grey multi-frame secondary capture': { SOPClassUID: '1.2.840.10008.5.1.4.1.1.7.2' },
  'ultrasound that does not say': { Modality: 'US' },
  'ultrasound that calls itself CT': { SOPClassUID: '1.2.840.10008.5.1.4.1.1.6.1' },
  'an endoscopic image that calls itself CT': { SOPClassUID: '1.2.840.10008.5.1.4.1.1.77.1.1' },
  'a hard copy': { Modality: 'HC' },
  'digitized film': { ConversionType: 'DF' },
  'a colour image of a scanner': { PhotometricInterpretation: 'RGB', SamplesPerPixel: 3 },
  'a palette image of a scanner': { PhotometricInterpretation: 'PALETTE COLOR' },
  'a derived secondary image': { ImageType: ['DERIVED', 'SECONDARY', 'AXIAL'] },
  'a screen shot, whatever it says': {
    ImageType: ['DERIVED', 'SECONDARY', 'SCREEN SAVE'],
    BurnedInAnnotation: 'NO',
  },
}
for (const [what, attributes] of Object.entries(held)) {
  t.test(`${what} is held for a person to look at`, async (t) => {
    const { plan } = await planned(t.testdir(), { attributes: () => attributes })
    t.same(refusals(plan), [['MDM_PRIVACY_HELD', 6]])
  })
}

t.test('one held slice holds the volume', async (t) => {
  const { plan } = await planned(t.testdir(), {
    attributes: (k) => (k === 0 ? { BurnedInAnnotation: 'YES' } : {}),
  })
  t.same(refusals(plan), [
    ['MDM_PRIVACY_HELD', 1],
    ['MDM_PRIVACY_HELD', 5],
  ])
})

t.test('an image that says NO is let through where silence is not', async (t) => {
  const attributes = () => ({ ImageType: ['DERIVED', 'SECONDARY', 'AXIAL'], BurnedInAnnotation: 'NO' })
  const { plan } = await planned(t.testdir(), { attributes })
  t.equal(plan.volumes.length, 1)
})

t.test('an object that was released is planned, and says by which rule it had been held', async (t) => {
  const attributes = (k: number) => (k === 0 ? { BurnedInAnnotation: 'YES' } : {})
  const { source, ref, headers } = await read(t.testdir(), attributes)
  const held = headers.find((header) => header.text.BurnedInAnnotation === 'YES')!
  const { volumes, refused } = planSeries(headers, { released: ({ sop }) => sop === held.sop })
  t.same(refused, [])
  t.same(
    volumes[0]!.slices.map(({ released }) => released),
    [burnedInRisk(held)!.reason, undefined, undefined, undefined, undefined, undefined],
  )
  t.equal((await plaintextOf(source, ref, volumes[0]!)).length, 7, 'its slices are delivered')

  const [first, second] = await collect(
    source.retrieve(
      ref,
      headers.map(({ sop }) => ({ sop })),
    ),
  )
  const rowOf = ({ header }: NonNullable<typeof first>) =>
    volumes[0]!.slices.find(({ sop }) => sop === header.sop)!
  const silent = rowOf(second!)
  const now = { ...second!.header, text: { ...second!.header.text, BurnedInAnnotation: 'YES' } }
  t.throws(() => sliceVoxels({ ...second!, header: now }, silent, volumes[0]!.volume), {
    code: 'MDM_SOURCE_CHANGED',
  })
  const other = { ...first!.header, imageType: ['DERIVED', 'PRIMARY', 'SCREEN SAVE'], text: {} }
  t.throws(() => sliceVoxels({ ...first!, header: other }, rowOf(first!), volumes[0]!.volume), {
    code: 'MDM_SOURCE_CHANGED',
  })
})

t.test('nothing that names anyone or anything is in the header that leaves', async (t) => {
  const canary = 'CANARY'
  const texts = Object.fromEntries(
    [
      ...[
        'InstitutionName',
        'StationName',
        'StudyDescription',
        'SeriesDescription',
        'Manufacturer',
        'ProtocolName',
      ],
      ...[
        'OperatorsName',
        'ReferringPhysicianName',
        'AccessionNumber',
        'StudyID',
        'RescaleType',
        'BodyPartExamined',
      ],
    ].map((keyword) => [keyword, canary]),
  )
  const patient = { name: `${canary}^A`, id: canary, birthDate: '19330405' }
  const { plan, written } = await planned(t.testdir(), { patient, attributes: () => texts })
  const header = plan.volumes[0]!.header.toString('latin1')
  for (const secret of [canary, '1933', '2020', written.study, written.series, ...written.sops]) {
    t.notOk(header.includes(secret), secret)
  }
  t.strictSame(parseNrrdHeader(plan.volumes[0]!.header)?.volume, plan.volumes[0]!.volume)
  t.equal(plan.volumes[0]!.volume.units, undefined, 'free text in place of units stays behind')
  t.equal(plan.volumes[0]!.profile, PROFILE)
})

t.test('a modality that is no code of DICOM leaves as OT', async (t) => {
  const { plan } = await planned(t.testdir(), {
    attributes: () => ({ Modality: 'JOHNDOE', BurnedInAnnotation: 'NO' }),
  })
  t.equal(plan.volumes[0]!.volume.modality, 'OT')
  t.equal(plan.volumes[0]!.tables.medical.modality, 'OT')
})
