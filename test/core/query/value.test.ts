import t from 'tap'
import { valueOf } from '../../../packages/core/src/query/value.ts'

const literal = (text: string) => ({ text, quoted: false, position: 7 })

t.test('a number column takes decimal numbers and nothing else', async (t) => {
  const numbers: [string, number][] = [
    ['256', 256],
    ['-1.5', -1.5],
    ['+2', 2],
    ['.5', 0.5],
    ['1e3', 1000],
    ['0007', 7],
  ]
  for (const [text, value] of numbers) t.equal(valueOf(literal(text), 'number'), value)
  for (const text of ['', 'MR', '0x10', 'NaN', 'Infinity', '1e999', '1 2', '1,5', '--1']) {
    t.throws(() => valueOf(literal(text), 'number'), { code: 'MDM_QUERY', details: { position: 7 } }, text)
  }
})

t.test('a date column takes a day of the calendar, as ISO or as DICOM writes it', async (t) => {
  t.equal(valueOf(literal('2008-02-29'), 'date'), '2008-02-29')
  t.equal(valueOf(literal('20080229'), 'date'), '2008-02-29')
  for (const text of ['2007-02-29', '2008-13-01', '2008-1-1', '08-01-01', 'yesterday', '2008', '']) {
    t.throws(() => valueOf(literal(text), 'date'), { code: 'MDM_QUERY' }, text)
  }
})

t.test('a text column takes what was written', async (t) => {
  for (const text of ['256', 'DOE^J', '2008-02-29', '']) t.equal(valueOf(literal(text), 'text'), text)
})
