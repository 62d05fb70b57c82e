import t from 'tap'
import {
  killAtStep,
  killAtTombstone,
  STEPS,
  STEPS_OF_SEVERAL,
  TOMBSTONE_STEPS,
} from '../../fixtures/crash/register-kills.ts'
import { createWorld, park } from '../../fixtures/crash/world.ts'

// Processes start slowly on a machine with much to do.
t.setTimeout(300_000)

t.test(
  'a site that is killed after any step of a registration or a tombstone ends it at its next start',
  async (t) => {
    const world = await createWorld()
    t.teardown(() => world.close())
    // The first registration of a site makes the key of pseudonyms.
    t.strictSame(
      await killAtStep(world, 'P2.2'),
      [],
      'killed when two key servers have a share of the pseudonym key',
    )
    for (const step of STEPS) t.strictSame(await killAtStep(world, step), [], `killed after ${step}`)
    for (const step of STEPS_OF_SEVERAL) {
      const found = await killAtStep(world, step, world.addEchoes)
      t.strictSame(found, [], `killed after ${step} of a series of two volumes`)
    }
    for (const step of TOMBSTONE_STEPS)
      t.strictSame(await killAtTombstone(world, step), [], `killed after ${step} of a tombstone`)
    await park(world, false)
    t.strictSame(await world.judge(), [], 'every volume can be fetched, and its voxels are right')
  },
)
