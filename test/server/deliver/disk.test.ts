import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Delivery } from '@mdm/server/deliver/delivery'
import t from 'tap'
import { codeOf } from '../../fixtures/crash/world.ts'
import { faultsOf } from '../../fixtures/crash/faults.ts'
import { planWrites, watchWrites, writeCalls } from '../../fixtures/crash/write-calls.ts'
import {
  deliveryOf,
  get,
  ORDERS,
  plaintextDigest,
  scriptedSource,
  sends,
  testVolume,
  until,
} from './fixture.ts'

await watchWrites()

const volume = testVolume({ columns: 100, rows: 100, slices: 120 })
/** Frames wait for their second half, and no memory is theirs: they are spilled. */
const order = ORDERS['even, then odd'](120)
const { containerBytes } = volume.record

/** A file may go while it is looked at. */
const sizeOf = (file: string) => statSync(file, { throwIfNoEntry: false })?.size ?? containerBytes

/** Gets, and waits for the room that a preparation which just failed is giving back. */
async function again(delivery: Delivery): Promise<Buffer> {
  for (let tries = 1; ; tries++) {
    try {
      return await get(delivery, volume)
    } catch (error) {
      if (codeOf(error) !== 'MDM_SPOOL_FULL' || tries === 500) throw error
      await new Promise((done) => setTimeout(done, 10))
    }
  }
}

t.test(
  'a disk that fails at any write of a get that spills leaves nothing behind, and the next get works',
  async (t) => {
    const run = async (fault: Parameters<typeof planWrites>[0]) => {
      const spoolDir = join(t.testdir(), 'spool')
      // Room for one preparation and no other: what the failed one does not give back is missed.
      const quotaBytes = Math.floor(2.1 * containerBytes)
      const source = scriptedSource(volume, sends(volume, order))
      const { delivery } = deliveryOf(t, volume, { source, spoolDir, windowBytes: 0, quotaBytes })
      planWrites(fault)
      const seen = await get(delivery, volume).then((container) => plaintextDigest(container, volume), codeOf)
      const calls = [...writeCalls()]
      planWrites(undefined)
      const right = (await plaintextDigest(await again(delivery), volume)) === volume.sha256
      await until(
        () => readdirSync(spoolDir).every((name) => sizeOf(join(spoolDir, name)) === containerBytes),
        30_000,
      )
      const names = readdirSync(spoolDir)
      await delivery.close()
      return { seen, calls, right, names: names.length }
    }
    const whole = await run(undefined)
    t.equal(whole.seen, volume.sha256)
    t.ok(whole.calls.filter((call) => call === 'spool open').length >= 3, 'container, spill file, reader')
    for (const fault of faultsOf(whole.calls.length, true)) {
      const { seen, right, names } = await run({ ...fault, when: 'midway' })
      const what = `${fault.errno} ${fault.act} at write ${fault.at}, ${whole.calls[fault.at - 1]}`
      t.ok(seen === 'MDM_SPOOL_FULL' || seen === volume.sha256, `${what}: ${seen}`)
      t.ok(right && names <= 2, `${what}: the next get is right`)
    }
  },
)
