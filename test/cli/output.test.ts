import t from 'tap'
import { csv, readableBytes, readableSeconds, table } from '../../packages/cli/src/output.ts'
import { formatRows } from '../../packages/cli/src/row-output.ts'

t.test('a table lines up, with numbers to the right and no trailing space', async (t) => {
  t.equal(
    table(
      ['name', 'n'],
      [
        ['a', 5],
        ['long', 12],
      ],
    ),
    'name   n\na      5\nlong  12\n',
  )
})

t.test('a table cuts lines that a terminal would break', async (t) => {
  t.equal(table(['name'], [['abcdefghij']], 6), 'name\nabcde…\n')
})

t.test('a name cannot move the cursor or turn the text around', async (t) => {
  t.equal(table(['name'], [['a\u001b[2Jb\u202ec']]), 'name\na?[2Jb?c\n')
})

t.test('csv quotes what RFC 4180 quotes, and defuses formulas', async (t) => {
  t.equal(
    csv(
      ['a', 'b'],
      [
        ['x,y', 'say "hi"'],
        ['=1+1', -5],
        [null, '-1.5'],
        ['@x', '-x'],
      ],
    ),
    'a,b\r\n"x,y","say ""hi"""\r\n\'=1+1,-5\r\n,-1.5\r\n\'@x,\'-x\r\n',
  )
})

t.test('sizes and times are for people', async (t) => {
  t.strictSame([0, 1, 1023, 1024, 1_500_000, 5_000_000_000].map(readableBytes), [
    '0 B',
    '1 B',
    '1023 B',
    '1.00 KiB',
    '1.43 MiB',
    '4.66 GiB',
  ])
  t.strictSame([0.42, 12, 59.7, 185, 7800].map(readableSeconds), [
    '0.4 s',
    '12 s',
    '1:00 min',
    '3:05 min',
    '2:10 h',
  ])
})

t.test('rows come as a table without empty columns, as guids, csv or json', async (t) => {
  const rows = [
    { guid: 'g1', modality: 'MR', units: null },
    { guid: 'g2', modality: 'CT', units: null },
  ]
  t.equal(formatRows(rows, 'table', {}), 'guid  modality\ng1    MR\ng2    CT\n')
  t.equal(formatRows(rows, 'guids', {}), 'g1\ng2\n')
  t.equal(formatRows(rows, 'csv', {}), 'guid,modality,units\r\ng1,MR,\r\ng2,CT,\r\n')
  t.strictSame(JSON.parse(formatRows(rows, 'json', { rows, withheld: ['x'] })), { rows, withheld: ['x'] })
  t.equal(formatRows([], 'table', {}), '')
})
