import { spawn } from 'node:child_process'
import { createPublicKey } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createFileKey } from '@mdm/core/crypto/file-key'
import { MdmError, type ErrorCode } from '@mdm/core/errors'
import type { GatherOptions } from '@mdm/core/grid/key-servers'
import type { Kid } from '@mdm/core/names'
import type { Release } from '@mdm/core/wire/key-server'
import { caller, json, pinOf, service } from '../../fixtures/loopback.ts'
import { signer } from '../crypto/key-samples.ts'
import {
  honest,
  knowsNothing,
  LIES,
  orders,
  PATIENT_MS,
  refuses,
  silent,
  startKeyServers,
  until,
  type Conduct,
  type SampleKey,
} from './key-server-samples.ts'

/** Of the product; and what is less than the patience of these tests, so that nobody waited for a silent server. */
const [ANSWER_MS, SOON_MS] = [2_500, PATIENT_MS / 2]
const flipped = LIES['a bit of the secret']![0]

/** Gathers from servers that answer in one order; the code of the error, or undefined where the right key came. */
async function outcome(
  t: Test,
  conducts: readonly Conduct[],
  o: { m?: number; order?: readonly number[]; untold?: boolean } & Partial<GatherOptions> = {},
): Promise<{ code: ErrorCode | undefined; ms: number; error?: MdmError }> {
  const { gather, key } = await startKeyServers(t, conducts, o)
  const started = performance.now()
  try {
    const { fileKey } = await gather(o.timeoutMs === undefined ? {} : { timeoutMs: o.timeoutMs })
    if (!fileKey.equals(key.fileKey)) throw new Error('another key')
    return { code: undefined, ms: performance.now() - started }
  } catch (error) {
    if (!(error instanceof MdmError)) throw error
    return { code: error.code, ms: performance.now() - started, error }
  }
}

t.test('every lie, told first, between and last: the right key comes and the liar is named', async (t) => {
  for (const [what, [lie, code]] of Object.entries(LIES)) {
    await t.test(what, async (t) => {
      for (const [when, order] of Object.entries({ first: [0, 1, 2], between: [1, 0, 2], last: [1, 2, 0] })) {
        const { gather, key, faults, place } = await startKeyServers(t, [lie, honest, honest], { order })
        const { fileKey, manifest } = await gather()
        t.ok(fileKey.equals(key.fileKey), `${when}: the right key`)
        t.same(manifest, key.manifest)
        t.ok(await until(() => faults.length > 0), `${when}: named, also after the key is there`)
        t.same(
          faults.map((fault) => [place(fault), fault.code]),
          [[0, code]],
          'it, and nobody else',
        )
      }
    })
  }
})

t.test('two liars of one story have no majority over a manifest the site never signed', async (t) => {
  const [lie] = LIES['a manifest by an unknown signer']!
  const { code, error } = await outcome(t, [lie, lie, honest])
  t.equal(code, 'MDM_BELOW_THRESHOLD')
  t.match(error!.details, { faults: [{ code: 'MDM_MANIFEST' }, { code: 'MDM_MANIFEST' }] })
})

t.test('m good of n give the key at once, whatever the others do', async (t) => {
  const conducts = { silent, refuses, knowsNothing, flipped, cut: LIES['malformed JSON']![0] }
  const names = Object.keys(conducts) as (keyof typeof conducts)[]
  for (const [i, a] of names.entries()) {
    for (const b of names.slice(i)) {
      const all = [conducts[a], honest, conducts[b], honest, honest]
      const { code, ms } = await outcome(t, all, { m: 3 })
      t.equal(code, undefined, `${a} and ${b}: the key`)
      t.ok(ms < SOON_MS, `${Math.round(ms)} ms`)
    }
  }
})

t.test('n-m+1 servers that know nothing are the answer, in every order and beside any other', async (t) => {
  for (const [what, third] of Object.entries({ refuses, flipped, honest, knowsNothing })) {
    for (const order of orders(3)) {
      const { code, ms } = await outcome(t, [knowsNothing, knowsNothing, third], { order })
      t.equal(code, 'MDM_NOT_FOUND', `${what}, answers in the order ${order}`)
      t.ok(ms < SOON_MS)
    }
  }
  const { code, ms } = await outcome(t, [silent, knowsNothing, knowsNothing])
  t.equal(code, 'MDM_NOT_FOUND', 'while one is silent')
  t.ok(ms < SOON_MS, `${Math.round(ms)} ms`)
  const five = [silent, knowsNothing, knowsNothing, silent, knowsNothing]
  t.equal((await outcome(t, five, { m: 3 })).code, 'MDM_NOT_FOUND', '3 of 5')
})

t.test('too few that can help are a threshold not reached, as soon as that is sure', async (t) => {
  const atOnce: Record<string, Conduct[]> = {
    'two refuse, one is silent': [refuses, refuses, silent],
    'two lie, one is good': [flipped, flipped, honest],
    'one refuses, one knows nothing, one is good': [refuses, knowsNothing, honest],
    'one refuses, one knows nothing, one lies': [refuses, knowsNothing, flipped],
  }
  for (const [what, conducts] of Object.entries(atOnce)) {
    for (const order of orders(3).filter(
      (order) => conducts[order[0]!] !== silent && conducts[order[1]!] !== silent,
    )) {
      const { code, ms } = await outcome(t, conducts, { order })
      t.equal(code, 'MDM_BELOW_THRESHOLD', `${what}, answers in the order ${order}`)
      t.ok(ms < SOON_MS)
    }
  }
  const timeoutMs = 300
  const inTime: Record<string, Conduct[]> = {
    'all are silent': [silent, silent, silent],
    'one is good': [honest, silent, silent],
    'one knows nothing, one refuses': [knowsNothing, refuses, silent],
    'one knows nothing': [knowsNothing, silent, silent],
  }
  for (const [what, conducts] of Object.entries(inTime)) {
    const { code, ms, error } = await outcome(t, conducts, { timeoutMs })
    t.equal(code, 'MDM_BELOW_THRESHOLD', what)
    t.ok(ms >= timeoutMs - 50 && ms < SOON_MS, `${Math.round(ms)} ms`)
    t.ok((error!.details.faults as unknown[]).length >= 2, 'and it says who did not help')
  }
})

t.test('without being told, silence lasts 2.5 seconds', async (t) => {
  const { code, ms } = await outcome(t, [silent, silent, honest], { untold: true })
  t.equal(code, 'MDM_BELOW_THRESHOLD')
  t.ok(ms >= ANSWER_MS - 50 && ms < SOON_MS, `${Math.round(ms)} ms`)
})

t.test('servers that hold two splits of one key give the newer, and never a mixture', async (t) => {
  let again: ReturnType<typeof createFileKey> | undefined
  const newer = async (truth: Release, key: SampleKey): Promise<Release> => {
    again ??= createFileKey({ ...key.options, fileKey: key.fileKey, epoch: 3 })
    const { shares, manifest } = await again
    const slot = key.released.findIndex((r) => r.share.toString('base64') === truth.share)
    return { ...truth, epoch: 3, manifest, share: shares[slot]!.toString('base64') }
  }
  const renewed: Conduct = async (reply, truth, key) => json(reply, { releases: [await newer(truth, key)] })
  const both: Conduct = async (reply, truth, key) =>
    json(reply, { releases: [truth, await newer(truth, key)] })
  for (const order of orders(3)) {
    again = undefined
    const { gather, key } = await startKeyServers(t, [honest, both, renewed], { order })
    const { fileKey, manifest } = await gather()
    t.ok(fileKey.equals(key.fileKey), `answers in the order ${order}`)
    t.equal(manifest.epoch, 3)
  }
  again = undefined
  t.equal((await outcome(t, [honest, renewed, silent], { timeoutMs: 300 })).code, 'MDM_BELOW_THRESHOLD')
})

t.test('a pinned manifest is the only one', async (t) => {
  const { gather, key, faults } = await startKeyServers(t, [honest, honest, honest])
  const other = await createFileKey({ ...key.options, fileKey: key.fileKey, epoch: 3 })
  await t.rejects(gather({ manifest: other.manifest }), { code: 'MDM_BELOW_THRESHOLD' })
  t.same(new Set(faults.map((f) => f.code)), new Set(['MDM_BAD_SHARE']))
  t.ok((await gather({ manifest: key.jws })).fileKey.equals(key.fileKey))
})

t.test('servers are asked before it is known which key is meant', async (t) => {
  const { gather, key } = await startKeyServers(t, [honest, honest, honest])
  const kid = Promise.withResolvers<Kid>()
  let answers = 0
  const gathering = gather({ kid: kid.promise, onAnswer: () => void answers++ })
  t.ok(await until(() => answers === 3), 'all three answered')
  kid.resolve(key.options.kid)
  t.ok((await gathering).fileKey.equals(key.fileKey))

  const never = Promise.withResolvers<Kid>()
  const failing = gather({ kid: never.promise })
  never.reject(new MdmError('MDM_DENIED'))
  await t.rejects(failing, { code: 'MDM_DENIED' }, 'and whoever was to say it may fail')
})

t.test('an abort ends it with its reason and blames no server', async (t) => {
  const reason = new MdmError('MDM_BAD_REQUEST', 'the site sent nonsense')
  const { gather, faults } = await startKeyServers(t, [silent, silent, honest])
  const abort = new AbortController()
  const gathering = gather({ signal: abort.signal })
  await sleep(100)
  abort.abort(reason)
  t.equal(await gathering.catch((e: unknown) => e), reason)
  await sleep(50)
  t.same(faults, [], 'a server that was not waited for did nothing wrong')
  await t.rejects(
    gather({ signal: AbortSignal.abort(reason) }),
    { code: 'MDM_BAD_REQUEST' },
    'aborted before',
  )
})

t.test('a request that nobody waits for any more is let go in time', async (t) => {
  const { gather, ended, faults } = await startKeyServers(t, [silent, honest, honest])
  await gather({ timeoutMs: 1_500 })
  const started = performance.now()
  await ended[0]
  t.ok(performance.now() - started < SOON_MS, 'the connection to the silent server is closed')
  await until(() => faults.length > 0)
  t.match(faults, [{ code: 'MDM_UNREACHABLE' }], 'and it is named, though the key was there long before')
})

const drips: Conduct = (reply, truth) => {
  reply.writeHead(200, { 'content-type': 'application/json' })
  reply.write(JSON.stringify({ releases: [truth] }).slice(0, 40))
}

t.test('an answer that has begun and is not whole is named when the get ends, or the time', async (t) => {
  const expected = [{ code: 'MDM_UNREACHABLE', unfinished: true }]
  for (const when of ['the get', 'the time'] as const) {
    const { gather, faults, place, peers, key } = await startKeyServers(t, [drips, honest, honest])
    const began = Promise.withResolvers<void>()
    const call = peers[0]!.call.bind(peers[0])
    const watched: typeof call = (contract, input, o) =>
      call(contract, input, { ...o, onResponse: () => (o?.onResponse?.(), began.resolve()) })
    Object.assign(peers[0]!, { call: watched })
    const ended = new AbortController()
    const o = when === 'the get' ? { signal: ended.signal } : { timeoutMs: 1_500 }
    t.ok((await gather(o)).fileKey.equals(key.fileKey))
    await began.promise
    ended.abort(new MdmError('MDM_UNREACHABLE', 'the transfer was given up'))
    t.ok(await until(() => faults.length > 0), `${when} ends`)
    t.match(faults, expected)
    t.equal(place(faults[0]!), 0)
  }
})

t.test(
  'a server that is still silent is named at the end of a get of a second, not of a shorter one',
  async (t) => {
    for (const [ms, named] of [
      [0, 0],
      [1_100, 1],
    ] as const) {
      const { gather, faults } = await startKeyServers(t, [silent, honest, honest])
      // A get that itself took the second on a busy machine is no shorter one.
      for (let tries = 0; tries < 20; tries++) {
        faults.length = 0
        const ended = new AbortController()
        const began = performance.now()
        await gather({ signal: ended.signal })
        await sleep(ms)
        ended.abort(new MdmError('MDM_UNREACHABLE'))
        if (ms > 0 || performance.now() - began < 1_000) break
      }
      if (named > 0) await until(() => faults.length > 0)
      else await sleep(20)
      t.equal(faults.length, named, `after ${ms} ms`)
    }
  },
)

t.test('where an old split is told by m servers, they are named and not the one with the new', async (t) => {
  // One story: the split must be the same from both, as servers that a backup brought back would tell it.
  let split: ReturnType<typeof createFileKey> | undefined
  const older: Conduct = async (reply, truth, key) => {
    split ??= createFileKey({ ...key.options, fileKey: key.fileKey, epoch: 1 })
    const { shares, manifest } = await split
    const slot = key.released.findIndex((r) => r.share.toString('base64') === truth.share)
    json(reply, { releases: [{ ...truth, epoch: 1, manifest, share: shares[slot]!.toString('base64') }] })
  }
  const { gather, faults, key, place } = await startKeyServers(t, [older, older, honest], {
    order: [0, 1, 2],
  })
  t.ok((await gather()).fileKey.equals(key.fileKey), 'it is the same key')
  t.ok(await until(() => faults.length === 2))
  t.same(faults.map(place).toSorted(), [0, 1])
})

t.test('a process that has its key may end while a server is still silent', async (t) => {
  const { key, urls } = await startKeyServers(t, [silent, honest, honest])
  const { site, guid, kid, servers } = key.options
  const argument = {
    servers: urls.map((url, i) => ({ id: servers[i], url })),
    pin: pinOf(service),
    credential: caller,
    volume: { site, guid, kid, threshold: 2, timeoutMs: PATIENT_MS },
    signer: { kid: signer.kid, key: createPublicKey(signer.key).export({ type: 'spki', format: 'pem' }) },
  }
  const child = spawn(
    process.execPath,
    ['--conditions=@mdm/source', join(import.meta.dirname, 'gather-child.ts'), JSON.stringify(argument)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  t.teardown(() => child.kill('SIGKILL'))
  const ended = once(child, 'exit')
  await once(child.stdout, 'data')
  const started = performance.now()
  t.same(await ended, [0, null])
  t.ok(performance.now() - started < SOON_MS, `${Math.round(performance.now() - started)} ms after the key`)
})
