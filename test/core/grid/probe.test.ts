import t, { type Test } from 'tap'
import { Peer } from '@mdm/core/grid/http'
import { probe } from '@mdm/core/grid/probe'
import { caller, json, pinOf, problem, service, startService, type Answer } from '../../fixtures/loopback.ts'

async function peerOf(t: Test, answer: Answer, pins = [pinOf(service)]): Promise<Peer> {
  const { url } = await startService(t, answer)
  const peer = new Peer({ url, pins, credential: caller })
  t.teardown(() => peer.close())
  return peer
}

t.test('a service is ready or says why not, and its clock is read off its answer', async (t) => {
  const health = { status: 'not ready', reasons: ['the audit log cannot be written'] }
  const late = await peerOf(t, (_, reply) => {
    reply.setHeader('date', new Date(Date.now() - 400_000).toUTCString())
    json(reply, health)
  })
  const found = await probe(late)
  t.match(found, { url: late.url, answers: true, health })
  const wrong = found.clockAheadMs! + 400_000
  t.ok(Math.abs(wrong) < 60_000, `${found.clockAheadMs} ms`)
})

t.test('a refusal is an answer: it has a code and a time', async (t) => {
  const peer = await peerOf(t, (_, reply) => json(reply, problem('MDM_UNAUTHENTICATED', 401), 401))
  const found = await probe(peer)
  t.match(found, { answers: true, refusal: { code: 'MDM_UNAUTHENTICATED' } })
  t.type(found.clockAheadMs, 'number')
  t.equal(found.health, undefined)
})

t.test('an answer that is none of ours is one all the same, without health', async (t) => {
  const peer = await peerOf(t, (_, reply) => {
    reply.sendDate = false
    reply.end('hello')
  })
  t.strictSame(await probe(peer), { url: peer.url, answers: true })
})

t.test('another key than the pinned one, and nobody there, are told apart', async (t) => {
  const other = await peerOf(t, (_, reply) => json(reply, {}), ['00'.repeat(32)])
  t.match(await probe(other), { answers: false, refusal: { code: 'MDM_PEER' } })
  const nobody = new Peer({ url: 'https://127.0.0.1:9', pins: [], credential: caller })
  t.teardown(() => nobody.close())
  t.match(await probe(nobody), { answers: false, refusal: { code: 'MDM_UNREACHABLE' } })
})
