import { shear, sliceBytes, sliceRange, sliceSpan, spacing, voxelBytes } from '@mdm/core/volume/volume'
import type { Volume } from '@mdm/core/volume/volume'
import t from 'tap'
import { PLAIN } from './volumes.ts'

t.test('sizes and spacing follow from type and steps', async (t) => {
  t.equal(sliceBytes(PLAIN), 12)
  t.equal(voxelBytes(PLAIN), 48)
  t.same(
    spacing({
      ...PLAIN,
      spaceDirections: [
        [3, 4, 0],
        [0, 0, -2],
        [0, 1, 0],
      ],
    }),
    [5, 2, 1],
  )
})

t.test('a range of slices moves the origin and nothing else', async (t) => {
  t.same(sliceRange(PLAIN, [1, 2]), { ...PLAIN, slices: 2, origin: [10, 20, 34] })
  t.same(sliceRange(PLAIN, [0, 3]), PLAIN)
})

t.test('slices that are not there are MDM_RANGE', async (t) => {
  for (const range of [
    [-1, 0],
    [0, 4],
    [2, 1],
    [0.5, 1],
    [Number.NaN, 1],
  ] as const) {
    t.throws(() => sliceRange(PLAIN, range), { code: 'MDM_RANGE' })
  }
  t.throws(() => sliceSpan(PLAIN, 100, 4), { code: 'MDM_RANGE' })
  t.throws(() => sliceSpan(PLAIN, 100, -1), { code: 'MDM_RANGE' })
})

t.test('slices lie one after the other behind the header', async (t) => {
  t.same(sliceSpan(PLAIN, 100, 0), { start: 100, end: 112 })
  t.same(sliceSpan(PLAIN, 100, 3), { start: 136, end: 148 })
})

t.test('a part of unevenly spaced slices has its own positions and mean step', async (t) => {
  const uneven = { ...PLAIN, spaceDirections: [[2, 0, 0], [0, 3, 0], [0, 0, -5]], slicePositions: [0, 4, 12, 15] } as Volume // prettier-ignore
  const part = sliceRange(uneven, [1, 3])
  t.same(part.origin, [10, 20, 26])
  t.same(part.slicePositions, [0, 8, 11])
  t.same(part.spaceDirections[2], [0, 0, -5.5])
  const two = sliceRange(uneven, [1, 2])
  t.same(two.spaceDirections[2], [0, 0, -8])
  t.notOk('slicePositions' in two, 'two slices are evenly spaced')
  const one = sliceRange(uneven, [2, 2])
  t.same([one.origin, one.spaceDirections[2]], [[10, 20, 18], [0, 0, -5]]) // prettier-ignore
  t.notOk('slicePositions' in one)
})

t.test('shear is the greatest cosine between two axes', async (t) => {
  t.equal(shear(PLAIN), 0)
  const sheared = { ...PLAIN, spaceDirections: [[2, 0, 0], [0, 3, 0], [0, -3, 4]] } as Volume // prettier-ignore
  t.equal(shear(sheared), 0.6)
})
