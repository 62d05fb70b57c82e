import t from 'tap'
import { createDeliveryWorld, writesOfGet } from '../fixtures/crash/delivery-kills.ts'
import { failGet, failKeyServer, failRegistration, faultsOf } from '../fixtures/crash/faults.ts'
import { createKeyWorld, DEEDS, writesOf } from '../fixtures/crash/key-server-kills.ts'
import { writesOfRegistration } from '../fixtures/crash/register-kills.ts'
import { createWorld, park } from '../fixtures/crash/world.ts'

// Processes start slowly on a machine with much to do.
t.setTimeout(600_000)

t.test('a disk that fails at any write of a get is a refusal or a cut, and the next get works', async (t) => {
  const world = await createDeliveryWorld()
  t.teardown(() => world.close())
  const writes = await writesOfGet(world)
  for (const fault of faultsOf(writes.length, true)) {
    const { at, act, errno } = fault
    t.strictSame(await failGet(world, fault), [], `${errno} ${act} at write ${at}, ${writes[at - 1]}`)
  }
})

t.test(
  'a disk that fails at any write of a registration leaves nothing half, and it goes on by itself',
  async (t) => {
    const world = await createWorld()
    t.teardown(() => world.close())
    const writes = await writesOfRegistration(world)
    for (const fault of faultsOf(writes.length, true)) {
      const { at, act, errno } = fault
      t.strictSame(
        await failRegistration(world, fault),
        [],
        `${errno} ${act} at write ${at}, ${writes[at - 1]}`,
      )
    }
    await park(world, false)
    t.strictSame(await world.judge(), [], 'every volume can be fetched, and its voxels are right')
  },
)

t.test(
  'a disk that fails at any write of a key server leaves nothing half, and it goes on by itself',
  async (t) => {
    const world = await createKeyWorld()
    t.teardown(() => world.close())
    for (const [name, deed] of Object.entries(DEEDS)) {
      const writes = await writesOf(world, deed)
      for (const fault of faultsOf(writes.length, true)) {
        const { at, act, errno } = fault
        t.strictSame(
          await failKeyServer(world, deed, fault),
          [],
          `${name}: ${errno} ${act} at write ${at}, ${writes[at - 1]}`,
        )
      }
    }
  },
)
