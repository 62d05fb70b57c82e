import t from 'tap'
import { runNemesis } from '../fuzz/nemesis/run.ts'

t.setTimeout(600_000)

/** `npm run soak:nemesis` does it for half an hour, and says what servers take. */
t.test(
  'a grid under load and a nemesis for a minute: no wrong byte, nothing lost, nothing doubled',
  async (t) => {
    const { violations, counts, strikes, trends, volumes } = await runNemesis({
      seconds: 60,
      seed: Date.now() % 1_000,
    })
    t.comment({ counts, strikes, trends })
    t.strictSame(violations, [])
    t.ok(volumes > 5, `${volumes} volumes`)
    for (const what of [
      'gets, decrypted',
      'gets, raw',
      'gets, slice by slice',
      'queries',
      'grants',
      'revokes',
    ])
      t.ok((counts[what] ?? 0) > 0, `${counts[what]} ${what}`)
    t.ok(Object.keys(strikes).length >= 4, 'it was struck in several ways')
    for (const { server, fds } of trends) {
      const [first, last] = fds
      // A server that was killed late has no last third.
      if (Number.isFinite(first) && Number.isFinite(last))
        t.ok(last < first + 100, `${server}: ${first} -> ${last} descriptors`)
    }
  },
)
