import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createFeed } from '../../../packages/server/src/register/feed.ts'

t.test('a reader who comes later gets what came before him', async (t) => {
  const feed = createFeed<number>()
  for (const n of [1, 2, 3]) feed.push(n)
  const late = collect(feed.follow())
  await sleep(1)
  feed.push(4)
  feed.end()
  t.strictSame(await late, [1, 2, 3, 4])
  t.strictSame(await collect(feed.follow()), [1, 2, 3, 4], 'also after the end')
})

t.test('a feed keeps the last events only, and a reader who keeps up misses none', async (t) => {
  const feed = createFeed<number>(10)
  const quick = collect(feed.follow())
  const slow = feed.follow()
  t.equal((await first(slow, feed)).value, 0)
  for (let n = 1; n < 100; n++) {
    feed.push(n)
    await sleep(0)
  }
  feed.end()
  t.strictSame(
    await quick,
    Array.from({ length: 100 }, (_, n) => n),
  )
  const rest = await collect(slow)
  t.ok(rest.length >= 10 && rest.length < 20, `${rest.length} of 99 were kept for who was slow`)
  t.equal(rest.at(-1), 99)
  t.strictSame(
    rest,
    Array.from({ length: rest.length }, (_, i) => 100 - rest.length + i),
    'without a hole',
  )
})

async function first(reader: AsyncGenerator<number, void>, feed: ReturnType<typeof createFeed<number>>) {
  feed.push(0)
  return await reader.next()
}

async function collect(events: AsyncIterable<number>): Promise<number[]> {
  const all: number[] = []
  for await (const event of events) all.push(event)
  return all
}
