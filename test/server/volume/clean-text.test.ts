import { TABLES } from '@mdm/server/metadata/columns'
import { TYPED } from '@mdm/server/volume/clean-text'
import t from 'tap'
import { planned } from './generated.ts'

const PATIENT = { name: 'MÜLLER-LÜDENSCHEIDT^JÖRG', id: 'P-0042-77', birthDate: '19330405' }

async function rows(dir: string, attributes: Record<string, unknown>) {
  const { plan } = await planned(dir, {
    patient: PATIENT,
    attributes: () => ({ SpecificCharacterSet: 'ISO_IR 192', ...attributes }),
  })
  return plan.volumes[0]!.tables
}

t.test('a description with the name or number of somebody in it is withheld, whole', async (t) => {
  const staff = { OperatorsName: 'OPERATOR^OLGA', ReferringPhysicianName: 'HAUS^GREG' }
  for (const [i, said] of [
    't1 mprage Müller',
    'LUDENSCHEIDT flair',
    'asked for by greg',
    'OLGA_test_2',
    'control 0042',
    'born 05.04.1933',
    'scan of 20200102',
    'ROE^JANE',
    'ask jane@example.org',
  ].entries()) {
    const { medical, protocol } = await rows(t.testdir({ [i]: {} }), {
      ...staff,
      SeriesDescription: said,
      ProtocolName: said,
    })
    t.equal(medical['series_description'], null, said)
    t.equal(protocol['protocol_name'], null, said)
  }
})

t.test('a description of a scan stays as it is', async (t) => {
  const { medical, protocol } = await rows(t.testdir(), {
    InstitutionName: 'Brain Hospital',
    SeriesDescription: 'T1 MPRAGE brain 1mm iso p2',
    ProtocolName: 'ep2d_diff_64dir_b1000',
  })
  t.equal(medical['series_description'], 'T1 MPRAGE brain 1mm iso p2')
  t.equal(protocol['protocol_name'], 'ep2d_diff_64dir_b1000')
})

t.test(
  'every text that research shows is looked at, comes from a closed list, or names a device',
  async (t) => {
    const closed = {
      image: [
        'patient_id',
        'space_origin',
        'space_directions',
        'type',
        'units',
        'encoding',
        'photometric',
        'lossy',
      ],
      medical: ['modality', 'face', 'manufacturer', 'model'],
      protocol: [],
    }
    // made of the codes and numbers of marks
    const made = ['quantity', 'gradient']
    for (const [table, columns] of Object.entries({
      image: TABLES.image,
      medical: TABLES.medical,
      protocol: TABLES.protocol,
    })) {
      const name = table as keyof typeof TYPED
      const texts = Object.entries(columns)
        .filter(([, { type, view }]) => type === 'text' && (name !== 'medical' || view !== 'read'))
        .map(([column]) => column)
        .filter((column) => !made.includes(column))
      t.strictSame(texts.toSorted(), [...closed[name], ...TYPED[name]].toSorted(), name)
    }
  },
)
