import type { Attributes } from '@mdm/server/dicom/dcmjs/write-object'
import { writeSeries, type SeriesOptions } from '@mdm/server/dicom/dcmjs/write-series'
import { folderSource } from '@mdm/server/dicom/sources/folder'
import { planSeries } from '@mdm/server/volume/group'
import type { SeriesPlan } from '@mdm/server/volume/plan'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { at, planned, refusals, small } from './generated.ts'
import { collect, planOnly } from './plaintext.ts'

/** MR images, `n` at each of so many places: image k lies at place k % places and is of volume k / places. */
function several(
  places: number,
  volumes: number,
  marks: (volume: number, place: number) => Attributes,
  o: Partial<SeriesOptions> = {},
): Partial<SeriesOptions> {
  return {
    modality: 'MR',
    intercept: 0,
    slices: places * volumes,
    attributes: (k) => ({
      ...at(2 * (k % places)),
      InstanceNumber: String(k + 1),
      ...marks(Math.floor(k / places), k % places),
    }),
    ...o,
  }
}

function labels(plan: SeriesPlan): string[] {
  return plan.volumes.map(({ label }) => label)
}

const splits: Record<string, [(volume: number, place: number) => Attributes, string[]]> = {
  echoes: [
    (v) => ({ EchoNumbers: String(v + 1), EchoTime: String(4.2 * (v + 1)) }),
    ['echo=1', 'echo=2', 'echo=3'],
  ],
  'points in time': [(v) => ({ TemporalPositionIdentifier: String(v + 1) }), ['time=1', 'time=2', 'time=3']],
  acquisitions: [
    (v) => ({ AcquisitionNumber: String(10 * v) }),
    ['acquisition=0', 'acquisition=10', 'acquisition=20'],
  ],
  'trigger times': [
    (v) => ({ TriggerTime: String(v * 41.5) }),
    ['triggerTime=0', 'triggerTime=41.5', 'triggerTime=83'],
  ],
  'image types': [
    (v) => ({ ImageType: ['ORIGINAL', 'PRIMARY', 'AXIAL', ['M', 'P', 'R'][v]!] }),
    ['M', 'P', 'R'].map((q) => `imageType=ORIGINAL/PRIMARY/AXIAL/${q}`),
  ],
  'flip angles': [(v) => ({ FlipAngle: String(5 + v) }), ['flipAngle=5', 'flipAngle=6', 'flipAngle=7']],
  'the order of their objects alone, volume after volume': [
    () => ({}),
    ['instance=1', 'instance=5', 'instance=9'],
  ],
  'the order of their objects alone, place after place': [
    (v, place) => ({ InstanceNumber: String(place * 3 + v + 1) }),
    ['instance=1', 'instance=2', 'instance=3'],
  ],
  'times of day that differ from slice to slice say nothing': [
    (v, place) => ({ AcquisitionTime: `10${v}${place}00`, TemporalPositionIdentifier: String(v) }),
    ['time=0', 'time=1', 'time=2'],
  ],
}
for (const [what, [marks, wanted]] of Object.entries(splits)) {
  t.test(`volumes are told apart by ${what}`, async (t) => {
    const { plan, written } = await planned(t.testdir(), several(4, 3, marks))
    t.same(plan.refused, [])
    t.same(labels(plan), wanted)
    t.same(
      plan.volumes.map(({ slices }) => slices.map(({ sop }) => written.sops.indexOf(sop))),
      [0, 1, 2].map((v) => [0, 1, 2, 3].map((place) => v * 4 + place)),
      'and each slice is where it belongs',
    )
  })
}

t.test('what splits is found again and again: echoes of each point in time', async (t) => {
  const marks = (v: number) => ({
    EchoNumbers: String(1 + (v % 2)),
    EchoTime: String(1 + (v % 2)),
    TemporalPositionIdentifier: String(v >> 1),
  })
  const { plan } = await planned(t.testdir(), several(3, 4, marks))
  t.same(labels(plan), ['echo=1 time=0', 'echo=1 time=1', 'echo=2 time=0', 'echo=2 time=1'])
  t.same(plan.sets, [
    { label: 'time echo=1', axis: 'time', values: [0, 1], members: [0, 1] },
    { label: 'time echo=2', axis: 'time', values: [0, 1], members: [2, 3] },
  ])
})

t.test('echoes are a set along their echo times', async (t) => {
  const marks = (v: number) => ({ EchoNumbers: String(v + 1), EchoTime: String(4.6 + 2.4 * v) })
  const { plan } = await planned(t.testdir(), several(3, 2, marks))
  t.same(plan.sets, [{ label: 'echo', axis: 'echo', unit: 'ms', values: [4.6, 7], members: [0, 1] }])
  t.same(plan.volumes[1]!.marks, { echo: 2, echoTime: 7 })
})

t.test('a magnitude and a phase image are two volumes and no set', async (t) => {
  const marks = (v: number) => ({ ImageType: ['ORIGINAL', 'PRIMARY', 'M_FFE', 'MP'[v]!] })
  const { plan } = await planned(t.testdir(), several(3, 2, marks))
  t.equal(plan.volumes.length, 2)
  t.same(plan.sets, [])
})

t.test('the label of a volume stays when another comes before it', async (t) => {
  const marks = (v: number) => ({ TemporalPositionIdentifier: String(v + 1) })
  const { source, written } = await planned(t.testdir(), several(3, 3, marks))
  const headers = await collect(source.headers(written))
  const later = planSeries(headers.filter(({ sop }) => written.sops.indexOf(sop) >= 3))
  t.same(labels(later), ['time=2', 'time=3'])
  t.same(labels(planSeries(headers)), ['time=1', 'time=2', 'time=3'])
  t.same(labels(planSeries(headers.toReversed())), ['time=1', 'time=2', 'time=3'], 'in any order')
})

t.test(
  'an interrupted scan: the whole volumes are made, of the last one it is said what is missing',
  async (t) => {
    const marks = (v: number) => ({ TemporalPositionIdentifier: String(v + 1) })
    for (const told of [marks, () => ({})]) {
      const { plan } = await planned(t.testdir(), several(5, 3, told, { slices: 13 }))
      t.equal(plan.volumes.length, 2)
      t.same(refusals(plan), [['MDM_GEOMETRY_GAP', 3]])
      t.match(plan.refused[0]!.reason, '3 of 5 slices; missing are those at 6.00, 8.00 mm along the normal')
    }
  },
)

t.test('pictures of one place are volumes only where more than a count says so', async (t) => {
  const counted = several(1, 4, (v) => ({ AcquisitionNumber: String(v), SliceThickness: '2' }))
  t.same(refusals((await planned(t.testdir(), counted)).plan), [['MDM_SEVERAL_VOLUMES', 4]])
  const timed = several(1, 4, (v) => ({ TriggerTime: String(v * 40), SliceThickness: '2' }))
  const { plan } = await planned(t.testdir(), timed)
  t.equal(plan.volumes.length, 4)
  t.match(plan.sets, [{ axis: 'phase', unit: 'ms', values: [0, 40, 80, 120] }])
})

t.test('three planes of a localizer are three volumes', async (t) => {
  const orientations = [
    ['1', '0', '0', '0', '1', '0'],
    ['0', '1', '0', '0', '0', '-1'],
    ['1', '0', '0', '0', '0', '-1'],
  ]
  const { plan } = await planned(t.testdir(), {
    slices: 3,
    attributes: (k) => ({ ImageOrientationPatient: orientations[k], ...at(0) }),
  })
  t.same(plan.refused, [])
  t.same(labels(plan).sort(), [
    'orientation=0,1,0,0,0,-1',
    'orientation=1,0,0,0,0,-1',
    'orientation=1,0,0,0,1,0',
  ])
})

t.test(
  'a copy under another SOPInstanceUID is dropped once its pixels are known to be the same',
  async (t) => {
    const dir = t.testdir()
    const once = small({ voxel: (i, j, k) => k })
    await writeSeries(dir, once)
    const again = { ...once, slices: 1, sop: () => '1.2.99', fileName: () => 'again' }
    await writeSeries(dir, again)
    const source = folderSource('copies', dir)
    const { ref, plan } = await planOnly(source)
    t.same(refusals(plan), [['MDM_SEVERAL_VOLUMES', 7]])
    t.equal(plan.questioned?.length, 2)
    const headers = await collect(source.headers(ref))
    const [a, b] = plan.questioned!
    const same = planSeries(headers, { digests: new Map([a!, b!].map((sop) => [sop, 'd'])) })
    t.same([same.volumes[0]?.slices.length, same.refused, same.questioned], [6, [], undefined])
    const other = planSeries(headers, {
      digests: new Map([
        [a!, 'd'],
        [b!, 'e'],
      ]),
    })
    t.same(refusals(other), [['MDM_SEVERAL_VOLUMES', 7]], 'nobody can say which of two is right')
  },
)

t.test('labels hold no text of an object, and no date', async (t) => {
  const marks = (v: number) => ({
    ImageType: ['ORIGINAL', 'PRIMARY', `DOE^JOHN${v}`],
    AcquisitionDate: `2020010${v + 1}`,
  })
  const { plan } = await planned(t.testdir(), several(3, 2, marks))
  t.equal(plan.volumes.length, 2)
  t.notMatch(labels(plan).join(), /DOE|2020/)
})

t.test('the same file twice is one object, also among several volumes', async (t) => {
  const dir = t.testdir()
  const { written } = await planned(
    dir,
    several(3, 2, (v) => ({ EchoNumbers: String(v + 1) })),
  )
  copyFileSync(written.files[4]!, join(dir, 'again'))
  const { plan } = await planOnly(folderSource('twice', dir))
  t.same(
    plan.volumes.map(({ slices }) => slices.length),
    [3, 3],
  )
})
