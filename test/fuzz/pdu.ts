/**
 * Speaks malformed DICOM to both ends of our DIMSE: `node --conditions=@mdm/source test/fuzz/pdu.ts N [SEED]`.
 *
 * Half of the N associations attack our provider, half our user. Counted are errors that are none of ours, the longest
 * turn of the event loop by CPU time, and sockets that stay.
 */
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { MdmError } from '@mdm/core/errors'
import { associate, serveDimse, VERIFICATION } from '@mdm/server/dicom/dimse/index'
import { generator, type Random } from '../fixtures/random.ts'
import { PROPOSALS, providerTalk, userTalk } from './pdu-conversations.ts'
import { malform } from './pdu-malformed.ts'

export interface Tally {
  associations: number
  /** ended by an error of the table */
  refused: number
  /** what was altered did not matter, or the harm came after the end */
  served: number
  /** another error than an MdmError, at either end or of nobody: must be 0 */
  broken: number
  /** longest turn of the event loop, ms of CPU time of its thread, both ends and the attacker together: at most 100 */
  longestStepMs: number
  /** sockets that are open a second after the last association: must be 0 */
  leakedSockets: number
  kinds: Record<string, number>
}

const AT_ONCE = 8
const LOOPBACK = '127.0.0.1'

/** @param count of associations; `random` decides what is done to each */
export async function attack(count: number, seed: number, progress = (_: number) => {}): Promise<Tally> {
  const tally: Tally = {
    ...{ associations: 0, refused: 0, served: 0, broken: 0, longestStepMs: 0, leakedSockets: 0 },
    kinds: {},
  }
  const onStray = (): void => void tally.broken++
  process.on('uncaughtException', onStray).on('unhandledRejection', onStray)
  const before = openSockets()
  const clock = watchSteps(tally)
  const ends = await openEnds(tally)
  const random = generator(seed)
  let left = count
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      const [kind, bytes] = malform(left % 2 === 0 ? userTalk : providerTalk, random)
      tally.kinds[kind] = (tally.kinds[kind] ?? 0) + 1
      await (left % 2 === 0 ? ends.attackProvider(bytes) : ends.attackUser(bytes, random))
      if (++tally.associations % 10_000 === 0) progress(tally.associations)
      if (tally.associations % 1_000 === 0) await ends.serves()
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  await ends.serves()
  await ends.close()
  clock.stop()
  for (let tries = 0; tries < 100 && openSockets() > before; tries++) await sleep(10)
  tally.leakedSockets = openSockets() - before
  // The provider may say how the last ones ended when they are gone.
  tally.served = tally.associations - tally.refused - tally.broken
  process.off('uncaughtException', onStray).off('unhandledRejection', onStray)
  return tally
}

/** The provider that is attacked, and the attacker that our user calls. */
async function openEnds(tally: Tally) {
  const provider = await serveDimse({
    ...{ host: LOOPBACK, port: 0, ae: 'MDM', limits: { associations: 4 * AT_ONCE } },
    authorize: () => true,
    async onStore({ chunks }) {
      for await (const _ of chunks) await nextTurn()
      return 0
    },
    onFault: () => void tally.refused++,
  })
  const answers: Buffer[][] = []
  const attacker = createServer((socket) => {
    socket
      .on('error', () => {})
      .once('data', () => {
        void pour(socket, answers.shift() ?? [])
      })
    socket.resume()
  })
  attacker.listen(0, LOOPBACK)
  await once(attacker, 'listening')
  const { port } = attacker.address() as AddressInfo
  const peer = { host: LOOPBACK, calledAe: 'MDM', callingAe: 'FUZZ' }
  return {
    async attackProvider(writes: Buffer[]): Promise<void> {
      const socket = connect({ port: provider.port, host: LOOPBACK, noDelay: true })
      socket.on('error', () => {}).resume()
      const closed = once(socket, 'close')
      await pour(socket, writes)
      await closed
    },
    async attackUser(writes: Buffer[], random: Random): Promise<void> {
      answers.push(writes)
      try {
        await use(await associate({ ...peer, port }, PROPOSALS), random)
      } catch (error) {
        if (error instanceof MdmError && error.code !== 'MDM_INTERNAL') tally.refused++
        else tally.broken++
      }
    },
    /** A good association still works. */
    async serves(): Promise<void> {
      const context = { abstractSyntax: VERIFICATION, transferSyntaxes: ['1.2.840.10008.1.2'] }
      const association = await associate({ ...peer, port: provider.port }, [context])
      await association.echo()
      await association.release()
    },
    async close(): Promise<void> {
      await provider.close()
      attacker.close()
      await once(attacker, 'close')
    },
  }
}

/** What a source does: a query, a retrieve that reads all, a part or nothing of an object, a release. */
async function use(association: Awaited<ReturnType<typeof associate>>, random: Random): Promise<void> {
  const keys = { '0020000d': '1.2', '00080018': '', '00100010': '', '00280010': '' }
  try {
    for await (const _ of association.find({ model: 'study', level: 'IMAGE', keys }));
    for await (const { chunks } of association.get({ level: 'SERIES', study: '1.2', series: '1.2.3' })) {
      const habit = random(4)
      if (habit === 0) continue
      for await (const _ of chunks) if (habit === 1) break
    }
  } finally {
    await association.release()
  }
}

/** Writes piece by piece, and hangs up. */
async function pour(socket: Socket, writes: readonly Buffer[]): Promise<void> {
  for (const bytes of writes) {
    if (socket.destroyed) return
    socket.write(bytes)
    if (writes.length > 1) await nextTurn()
  }
  socket.end()
}

/** Notes the CPU time of this thread between one turn of the event loop and the next. */
function watchSteps(tally: Tally): { stop(): void } {
  let running = true
  const used = (): number => {
    const { user, system } = process.threadCpuUsage()
    return (user + system) / 1_000
  }
  let last = used()
  const turn = (): void => {
    const now = used()
    tally.longestStepMs = Math.max(tally.longestStepMs, now - last)
    last = now
    if (running) setImmediate(turn)
  }
  setImmediate(turn)
  return { stop: () => (running = false) }
}

function openSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
}

if (import.meta.main) {
  const [count = '500000', seed = String(randomInt(2 ** 32))] = process.argv.slice(2)
  console.error(`${count} associations, seed ${seed}`)
  const began = performance.now()
  const tally = await attack(Number(count), Number(seed), (done) => console.error(`${done} done`))
  const { rss } = process.memoryUsage()
  const seconds = Math.round((performance.now() - began) / 1_000)
  console.log(JSON.stringify({ ...tally, seconds, rssMiB: Math.round(rss / 2 ** 20) }))
  process.exitCode = tally.broken === 0 && tally.leakedSockets === 0 && tally.longestStepMs <= 100 ? 0 : 1
}
