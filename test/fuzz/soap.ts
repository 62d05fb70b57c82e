/** Sends malformed SOAP to a storage element over httpg and counts what it makes of it: `node --conditions=@mdm/source test/fuzz/soap.ts N [SEED]`. */
import { randomInt } from 'node:crypto'
import { Writable } from 'node:stream'
import type { Guid } from '@mdm/core/names'
import { createServiceCertificate } from '@mdm/core/identity/ca'
import { readCertificate } from '@mdm/core/identity/certificate'
import { createApp } from '@mdm/server/http/app'
import { openLog } from '@mdm/server/http/log'
import { serve } from '@mdm/server/http/serve'
import { soapRoutes, SRM_PATH } from '@mdm/server/srm/operations/routes'
import { complaintsOf } from '../conformance/srm-message.ts'
import { generator } from '../fixtures/random.ts'
import { memoryEntries, memoryRequests } from '../fixtures/srm-memory.ts'
import { openLane, type Lane, type LaneAnswer } from './soap/lane.ts'
import { nextMessage, type FuzzMessage } from './soap/messages.ts'

export interface SoapTally {
  /** answered by SRM */
  answered: number
  /** refused as no SOAP, or as no SRM */
  faults: number
  /** what must never be, by case */
  readonly broken: string[]
  /** most milliseconds of processor that the process took before it looked at its sockets again */
  longestMs: number
  readonly kinds: Record<string, number>
}

/** Connections that ask at the same time. */
const LANES = 8
/** Traces, files and names of ours, which no answer may hold. */
const INSIDE = /\n\s+at |node:|\.[jt]s\b|packages\/|TypeError|ZodError|Error:|\[object /
const STALL_MS = 100

/** Sends `count` messages; the same seed makes the same ones. */
export async function fuzzSoap(
  count: number,
  seed: number,
  o: { progress?: (done: number) => void; signal?: AbortSignal } = {},
): Promise<SoapTally> {
  const random = generator(seed)
  const tally: SoapTally = { answered: 0, faults: 0, broken: [], longestMs: 0, kinds: {} }
  const site = await openSite(tally)
  const watch = watchStalls((ms) => (tally.longestMs = Math.max(tally.longestMs, ms)))
  let next = 0
  await Promise.all(
    site.lanes.map(async (lane) => {
      while (next < count && o.signal?.aborted !== true) {
        const number = next++
        const message = nextMessage(random)
        tally.kinds[message.kind] = (tally.kinds[message.kind] ?? 0) + 1
        const fault = await tryOne(lane, message, tally)
        if (fault !== undefined) tally.broken.push(`seed ${seed} case ${number} (${message.kind}): ${fault}`)
        if (number > 0 && number % 50_000 === 0) o.progress?.(number)
      }
    }),
  )
  watch.stop()
  await site.close()
  if (Object.keys(Object.prototype).length > 0) tally.broken.push('the prototype of all objects was altered')
  if (tally.longestMs > STALL_MS) tally.broken.push(`${tally.longestMs} ms in one piece`)
  return tally
}

async function tryOne(lane: Lane, message: FuzzMessage, tally: SoapTally): Promise<string | undefined> {
  let answer: LaneAnswer
  try {
    answer = await lane.ask(message.body)
  } catch (error) {
    return `no answer: ${(error as Error).message}`
  }
  const text = answer.body.toString()
  if (INSIDE.test(text.replace(/<(path|surl|sourceSURL)>[^<]*/g, '')))
    return `an answer of our inside: ${text}`
  if (!/\r\ncontent-type: text\/xml; charset=utf-8/i.test(answer.head)) return `no XML: ${answer.head}`
  try {
    const complaints = complaintsOf(answer.body)
    if (complaints.length > 0) return `${complaints.join('; ')}: ${text}`
  } catch {
    return `an answer that is no XML: ${text}`
  }
  const isFault = text.includes('<faultcode>')
  if (isFault ? !/<faultstring>MDM_[A-Z_]+: /.test(text) : !/<statusCode>SRM_|<versionInfo>/.test(text))
    return `an answer without a code: ${text}`
  if (/MDM_INTERNAL|FATAL_INTERNAL/.test(text)) return `a fault of ours: ${text}`
  if (isFault !== (answer.status !== 200)) return `status ${answer.status}: ${text}`
  if (message.isWhole === true && isFault) return `refused as a client writes it: ${text}`
  const mustRefuse = message.isRefused === true || /<!DOCTYPE|<!ENTITY/.test(message.body.toString('latin1'))
  if (mustRefuse && !isFault) return `taken: ${message.body.toString('latin1').slice(0, 300)}`
  if (isFault) tally.faults++
  else tally.answered++
  return undefined
}

async function openSite(tally: SoapTally) {
  const [server, client] = await Promise.all(
    ['server', 'client'].map((commonName) =>
      createServiceCertificate({ commonName, hosts: ['127.0.0.1'], days: 2 }),
    ),
  )
  const held = [1, 2, 3].map((n) => ({ guid: `00000000-0000-4000-8000-00000000000${n}` as Guid, polls: n }))
  const destination = new Writable({
    write(line, _encoding, done) {
      if (String(line).includes('"event":"fault"')) tally.broken.push(`a fault of ours: ${line}`)
      done()
    },
  })
  const app = createApp({
    tls: server!,
    speaks: 'httpg',
    identify: ([leaf]) => {
      const { dn, issuer, spki, notAfter } = readCertificate(leaf!.raw)
      return { kind: 'user', dn, issuer, spki, notAfter, fqans: [] }
    },
    log: openLog({ destination, level: 'error' }),
  })
  // A new memory now and then: nothing lets go of what these messages ask for.
  let requests = memoryRequests(held, { most: 1_000 })
  soapRoutes(app, {
    entries: memoryEntries(held),
    requests: {
      open: (caller, o) => {
        if (requests.opened > 900) requests = memoryRequests(held, { most: 1_000 })
        return requests.open(caller, o)
      },
      find: (...given) => requests.find(...given),
      release: (...given) => requests.release(...given),
      releaseNamed: (...given) => requests.releaseNamed(...given),
      extend: (...given) => requests.extend(...given),
    },
    now: () => new Date(),
  })
  const serving = await serve(app, { host: '127.0.0.1', port: 0, graceMs: 100 })
  const port = Number(new URL(serving.url).port)
  const lanes = Array.from({ length: LANES }, () => openLane({ port, path: SRM_PATH, credential: client! }))
  return {
    lanes,
    async close() {
      for (const lane of lanes) lane.close()
      await serving.stop()
    },
  }
}

/** Processor time, not time: another process that takes the machine is no stall of ours. */
function watchStalls(told: (ms: number) => void) {
  let before = process.threadCpuUsage()
  // A timer is due in every turn of the event loop that took a millisecond.
  const timer = setInterval(() => {
    const { user, system } = process.threadCpuUsage(before)
    told((user + system) / 1000)
    before = process.threadCpuUsage()
  }, 1)
  return { stop: () => clearInterval(timer) }
}

if (import.meta.main) {
  const [count = '20000', seed = String(randomInt(2 ** 31))] = process.argv.slice(2)
  console.error(`${count} messages, seed ${seed}`)
  // Stopped before its end it says what it counted until then.
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort()).once('SIGTERM', () => stop.abort())
  const progress = (done: number) => console.error(`${done} done`)
  const { broken, ...tally } = await fuzzSoap(Number(count), Number(seed), { progress, signal: stop.signal })
  console.log(JSON.stringify({ ...tally, broken: broken.length }))
  for (const fault of broken.slice(0, 20)) console.log(fault)
  process.exitCode = broken.length === 0 ? 0 : 1
}
