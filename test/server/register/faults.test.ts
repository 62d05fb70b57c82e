import t from 'tap'
import { failRegistration, faultsOf } from '../../fixtures/crash/faults.ts'
import { writesOfRegistration } from '../../fixtures/crash/register-kills.ts'
import { createWorld, park } from '../../fixtures/crash/world.ts'

// Processes start slowly on a machine with much to do.
t.setTimeout(300_000)

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
