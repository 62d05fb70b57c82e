import { spacing } from '@mdm/core/volume/volume'
import { planSeries } from '@mdm/server/volume/group'
import t from 'tap'
import { at, only, planned, refusals } from './generated.ts'
import { collect } from './plaintext.ts'

/** Plans what a folder holds, gaps allowed. */
async function withGaps(o: Parameters<typeof planned>[1], dir: string) {
  const { source, written } = await planned(dir, o)
  return planSeries(await collect(source.headers(written)), { allowGaps: true })
}

t.test('gantry tilt is kept: the step from slice to slice leans, and no voxel moves', async (t) => {
  const tan = Math.tan((14 * Math.PI) / 180)
  const { plan } = await planned(t.testdir(), {
    orientation: [1, 0, 0, 0, 1, 0],
    attributes: (k) => at(4 * k, 0, 4 * k * tan),
  })
  t.same(plan.refused, [])
  const [column, row, step] = plan.volumes[0]!.volume.spaceDirections
  t.same(
    [column, row],
    [
      [0.5, 0, 0],
      [0, 0.75, 0],
    ],
  )
  t.ok(Math.abs(step[1] - 4 * tan) < 1e-3 && step[2] === 4 && step[0] === 0, step.join())
})

t.test('a gantry tilt tag without a tilt in the positions says nothing', async (t) => {
  const { plan } = await planned(t.testdir(), { attributes: () => ({ GantryDetectorTilt: '18.5' }) })
  t.same(plan.volumes[0]!.volume.spaceDirections[2], [0, 0, 2])
})

t.test('thickness and spacing tags say nothing where positions do', async (t) => {
  const tags = { SliceThickness: '1.25', SpacingBetweenSlices: '9' }
  const { plan } = await planned(t.testdir(), { attributes: () => tags })
  t.equal(spacing(plan.volumes[0]!.volume)[2], 2)
})

t.test('of a missing slice it is said where, in mm', async (t) => {
  const { plan } = await planned(t.testdir(), { attributes: (k) => at(k < 3 ? 2 * k : 2 * k + 2) })
  t.same(refusals(plan), [['MDM_GEOMETRY_GAP', 6]])
  t.match(plan.refused[0]!.reason, 'most are 2.000 mm; the odd ones follow 4.00 mm along the normal')
})

t.test('gaps that are allowed are written down, and the step is their mean', async (t) => {
  const heights = [0, 2, 4, 8, 10, 12]
  const plan = await withGaps({ attributes: (k) => at(heights[k]!) }, t.testdir())
  t.same(plan.refused, [])
  const { volume, header } = plan.volumes[0]!
  t.same(volume.slicePositions, heights)
  t.ok(Math.abs(volume.spaceDirections[2][2] - 2.4) < 1e-9)
  t.match(header.toString(), 'slice positions:=')
})

t.test('an even stack is the same with gaps allowed', async (t) => {
  const { plan } = await planned(t.testdir())
  const allowed = await withGaps({}, t.testdir())
  t.same(allowed.volumes[0]!.header, plan.volumes[0]!.header)
})

t.test('what allowed gaps do not excuse: a slice beside the line, and no thickness', async (t) => {
  const aside = await withGaps({ attributes: only(3, at(6, 0.5)) }, t.testdir())
  t.same(refusals(aside), [['MDM_GEOMETRY', 6]])
  t.match(aside.refused[0]!.reason, 'the farthest at 6.00 mm')
  const single = { slices: 1, attributes: () => ({ SliceThickness: undefined }) }
  t.same(refusals(await withGaps(single, t.testdir())), [['MDM_GEOMETRY', 1]])
})

t.test('two slices farther apart than their thickness explains may lack the ones between', async (t) => {
  const pair = (mm: number, tags: object) =>
    planned(t.testdir(), { slices: 2, attributes: (k) => ({ ...at(mm * k), ...tags }) })
  t.same(refusals((await pair(10, {})).plan), [['MDM_GEOMETRY_GAP', 2]])
  t.equal((await pair(2.9, {})).plan.volumes.length, 1)
  const gap = { SliceThickness: '5', SpacingBetweenSlices: '2' }
  t.equal((await pair(7, gap)).plan.volumes.length, 1, 'a spacing tag may be the gap')
  const silent = { SliceThickness: undefined }
  t.equal((await pair(7, silent)).plan.volumes.length, 1, 'positions are all there is')
})

t.test('two sizes beside each other are two volumes; mixed up they are none', async (t) => {
  const half = (k: number) => ({ Rows: k < 3 ? 3 : 2 })
  const { plan } = await planned(t.testdir(), { attributes: half })
  t.same(
    plan.volumes.map(({ volume, label }) => [volume.rows, volume.slices, label]),
    [
      [3, 3, 'size=4x3'],
      [2, 3, 'size=4x2'],
    ],
  )
  const odd = await planned(t.testdir(), { attributes: only(2, { Rows: 2 }) })
  t.same(refusals(odd.plan), [['MDM_GEOMETRY', 6]])
})
