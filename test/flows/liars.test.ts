import t from 'tap'
import { lie, totals } from '../soak/liars.ts'

t.setTimeout(300_000)

/** `npm run soak:liars` makes 10,000 of them. */
t.test(
  '200 gets against key servers that lie: never a wrong key, each liar named, nobody else',
  async (t) => {
    const table = await lie(200, 7)
    for (const [name, row] of Object.entries(table)) {
      t.ok(row.gets > 0, `${name}: ${row.gets} gets`)
      const { gets: _, beyond: __, ...bad } = row
      t.strictSame(bad, { wrongKeys: 0, failed: 0, unnamed: 0, accused: 0, odd: 0 }, name)
    }
    t.ok(totals(table).beyond > 10, 'some against more liars than n-m, none of which gave a key')
  },
)
