import t from 'tap'
import { createDeliveryWorld, killDelivery, writesOfGet } from '../fixtures/crash/delivery-kills.ts'
import { createKeyWorld, DEEDS, killKeyServer, writesOf } from '../fixtures/crash/key-server-kills.ts'
import { soak } from '../soak/kill.ts'

// Processes start slowly on a machine with much to do.
t.setTimeout(600_000)

t.test('a site that is killed in the middle of a get serves only whole volumes afterwards', async (t) => {
  const world = await createDeliveryWorld()
  t.teardown(() => world.close())
  const writes = await writesOfGet(world)
  t.ok(
    writes.includes('spool link') && writes.filter((w) => w === 'spool rm').length >= 4,
    'it evicts and publishes',
  )
  for (const [i, label] of writes.entries())
    t.strictSame(
      await killDelivery(world, { at: i + 1, when: 'midway' }),
      [],
      `killed at write ${i + 1}, ${label}`,
    )
  t.strictSame(await killDelivery(world, { at: writes.length, when: 'after' }), [], 'killed after the last')
})

t.test('a key server that is killed at any write has all of it or nothing, and takes it again', async (t) => {
  const world = await createKeyWorld()
  t.teardown(() => world.close())
  for (const [name, deed] of Object.entries(DEEDS)) {
    const writes = await writesOf(world, deed)
    t.ok(writes.length >= 4, `${name} makes ${writes.length} write calls`)
    for (const [i, label] of writes.entries())
      t.strictSame(
        await killKeyServer(world, deed, { at: i + 1, when: 'midway' }),
        [],
        `${name}: killed at ${label}`,
      )
    t.strictSame(
      await killKeyServer(world, deed, { at: writes.length, when: 'after' }),
      [],
      `${name}: after the last`,
    )
  }
})

t.test('site and key server are killed at random moments of registrations and gets', async (t) => {
  const tally = await soak({ each: 5, random: 5, seed: 2008, only: ['random'], isOver: () => false })
  t.strictSame(tally, { 'at random moments': { kills: 5, violations: [] } })
})
