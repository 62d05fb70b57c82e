import t from 'tap'
import { spanOf } from '@mdm/server/deliver/range'

const ETAG = 'A'.repeat(43)

t.test('one range gives that part', async (t) => {
  t.same(spanOf({ range: 'bytes=0-0' }, ETAG, 100), { start: 0, end: 1, partial: true })
  t.same(spanOf({ range: 'bytes=10-' }, ETAG, 100), { start: 10, end: 100, partial: true })
  t.same(spanOf({ range: 'bytes=90-500' }, ETAG, 100), { start: 90, end: 100, partial: true })
  t.same(spanOf({ range: 'bytes=-7' }, ETAG, 100), { start: 93, end: 100, partial: true })
  t.same(spanOf({ range: 'bytes=-700' }, ETAG, 100), { start: 0, end: 100, partial: true })
})

t.test('what is not one range of bytes is answered whole', async (t) => {
  const whole = { start: 0, end: 100, partial: false }
  for (const range of [
    undefined,
    'bytes=0-1,5-6',
    'lines=1-2',
    'bytes=5-2',
    'bytes=',
    'bytes=-',
    'bytes=a-b',
  ])
    t.same(spanOf({ range }, ETAG, 100), whole)
})

t.test('If-Range: the same message id gives the part, any other the whole', async (t) => {
  const range = 'bytes=10-19'
  t.equal(spanOf({ range, ifRange: `"${ETAG}"` }, ETAG, 100).partial, true)
  for (const ifRange of [`"${'B'.repeat(43)}"`, ETAG, `W/"${ETAG}"`, 'Wed, 21 Oct 2015 07:28:00 GMT', ''])
    t.equal(spanOf({ range, ifRange }, ETAG, 100).partial, false)
})

t.test('a range outside is refused with the length', async (t) => {
  for (const range of ['bytes=100-', 'bytes=100-200', 'bytes=-0'])
    t.throws(() => spanOf({ range }, ETAG, 100), { code: 'MDM_RANGE', details: { length: 100 } })
})
