import type { Guid } from '@mdm/core/names'
import { FIELDS, sidecar, type SidecarFacts, type Tables } from '@mdm/core/volume/sidecar/sidecar'
import { model } from '@mdm/core/volume/sidecar/terms'
import t from 'tap'
import { PLAIN } from '../volumes.ts'

const FACTS: SidecarFacts = {
  guid: '6f1c1e0e-4d0b-4c41-9a53-3f6f2a0c6f55' as Guid,
  version: 2,
  volume: PLAIN,
  format: 'nifti',
  sha256: 'ab'.repeat(32),
}

const TABLES: Tables = {
  medical: {
    manufacturer: 'SIEMENS HEALTHCARE GMBH',
    model: 'MAGNETOM Prisma Fit',
    field_strength: 2.89362,
    body_part: 'brain',
    patient_position: 'HFS',
  },
  protocol: {
    scanning_sequence: 'GR\\IR',
    sequence_variant: 'SK',
    acquisition_type: '3D',
    repetition_time: 2300,
    echo_time: 123.6,
    inversion_time: null,
    flip_angle: 9,
    slice_thickness: 1.25,
    kvp: 120,
  },
}

t.test('metadata is told in the words and units of BIDS', async (t) => {
  t.strictSame(sidecar({ ...FACTS, tables: TABLES }), {
    Modality: 'MR',
    Manufacturer: 'Siemens',
    ManufacturersModelName: 'MAGNETOM Prisma Fit',
    MagneticFieldStrength: 2.89362,
    BodyPart: 'BRAIN',
    PatientPosition: 'HFS',
    ScanningSequence: ['GR', 'IR'],
    SequenceVariant: 'SK',
    MRAcquisitionType: '3D',
    RepetitionTime: 2.3,
    EchoTime: 0.1236,
    FlipAngle: 9,
    SliceThickness: 1.25,
    KVP: 120,
    MDM: {
      guid: FACTS.guid,
      version: 2,
      format: 'nifti',
      sha256: FACTS.sha256,
      inverted: false,
      lossy: false,
    },
  })
})

t.test('without metadata it says what the volume says', async (t) => {
  const volume = { ...PLAIN, modality: 'PT', units: 'BQML', inverted: true, lossy: true, slicePositions: [0, 4, 9, 12] } as const // prettier-ignore
  const { MDM: own, ...told } = sidecar({ ...FACTS, volume: { ...volume, slicePositions: [...volume.slicePositions] } }) // prettier-ignore
  t.strictSame(told, { Modality: 'PT', Units: 'Bq/mL' })
  t.match(own, { inverted: true, lossy: true, slicePositions: [0, 4, 9, 12] })
})

t.test('a set names its axis; what differs along it is not told as one value', async (t) => {
  const echoes = { name: 'echo', unit: 'ms', values: [3, 6] } as const
  const told = sidecar({ ...FACTS, tables: TABLES, axis: { ...echoes, values: [3, 6] } })
  t.notOk('EchoTime' in told)
  t.equal(told['RepetitionTime'], 2.3)
  t.match(told['MDM'], { axis: echoes })
  const pet = sidecar({
    ...FACTS,
    volume: { ...PLAIN, modality: 'PT' },
    axis: { name: 'time', unit: 'ms', values: [0, 1500, 4000] },
  })
  t.strictSame(pet['FrameTimesStart'], [0, 1.5, 4])
})

t.test('a name that stands in any column, alone or with what belongs there, is not told', async (t) => {
  const planted = [
    'ZEBRA^ADELE',
    'Adele Zebra',
    'SKYRA of Dr Zebra',
    'HEAD ZEBRA',
    'SE\\ZEBRA',
    '3D ZEBRA',
    'ZEBRA 1942',
  ]
  for (const text of planted) {
    const tables: Record<string, Record<string, string>> = {}
    for (const { table, column } of FIELDS) tables[table] = { ...tables[table], [column]: text }
    tables['patient'] = { patient_name: text }
    tables['medical']!['series_description'] = text
    t.notMatch(JSON.stringify(sidecar({ ...FACTS, tables })), /zebra|adele|1942/i, text)
  }
  const maker = sidecar({ ...FACTS, tables: { medical: { manufacturer: 'Philips of Adele Zebra' } } })
  t.equal(maker['Manufacturer'], 'Philips', 'a maker is written by our own word')
})

t.test('numbers beyond what a scanner can mean are not told', async (t) => {
  const wrong = [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 19_421_231]
  for (const number of wrong) {
    const tables: Record<string, Record<string, number>> = {}
    for (const { table, column } of FIELDS) tables[table] = { ...tables[table], [column]: number }
    t.strictSame(Object.keys(sidecar({ ...FACTS, tables })), ['Modality', 'MDM'], String(number))
  }
})

t.test('models of real scanners are known', async (t) => {
  for (const name of [
    'DISCOVERY MR750',
    'LightSpeed Ultra',
    'SIGNA Pioneer',
    'Achieva dStream',
    'Ingenuity CT',
    'Prisma_fit',
    'SOMATOM Definition AS+',
    'TrioTim',
    'uMR 770',
    'Aquilion ONE',
    'Biograph 64',
  ])
    t.equal(model(name), name)
  for (const name of ['el250', 'Unspecified', '1094', '', 'Skyra 19421231'])
    t.equal(model(name), undefined, name)
})
