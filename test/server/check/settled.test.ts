import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { checkKeys } from '../../../packages/server/src/check/keys.ts'
import { checkSite } from '../../../packages/server/src/check/site.ts'
import { makeInstallation, named } from './installation.ts'

/** Longer than five servers take to start on a busy machine. */
const patient = { patienceMs: 60_000 }
const made = await makeInstallation(t)
const first = made.keyServers[0]!.config
const restOf = [1, 2, 3, 4]

/** The first key server has just started and hears nobody: what it holds is not known to be new. */
async function alone(): Promise<void> {
  await Promise.all([0, ...restOf].map((i) => made.stopKeys(i)))
  await made.startKeys(0)
}

t.test('a key server that waits for others is a fault once patience is over, with the way out', async (t) => {
  await alone()
  t.match(named(await checkKeys(first, { patienceMs: 300 }), 'server'), [
    { level: 'fault', message: /catching-up/, next: /mdm-server keys serve-without/ },
  ])
})

t.test('a check that begins before the others are up ends when all are ready, without a fault', async (t) => {
  await alone()
  const checking = checkKeys(first, patient)
  await sleep(1_000)
  await Promise.all(restOf.map((i) => made.startKeys(i)))
  t.strictSame(named(await checking, 'server'), [])
})

t.test('so does the check of a site, which waits for its key servers', async (t) => {
  await alone()
  await made.startSite()
  const early = await checkSite(made.site.config, { patienceMs: 0 })
  t.match(named(early, 'server'), [{ level: 'fault', message: /key-servers-below-threshold/ }])
  t.match(named(early, 'key-server')[0], { level: 'fault', subject: made.keyServers[0]!.entry.url })

  await Promise.all(restOf.map((i) => made.startKeys(i)))
  const faults = (await checkSite(made.site.config, patient)).filter(({ level }) => level === 'fault')
  t.strictSame(faults, [])
})
