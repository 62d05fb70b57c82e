import { readFileSync, statSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { join } from 'node:path'
import t from 'tap'
import { createServiceCertificate } from '../../packages/core/src/identity/ca.ts'
import { newGuid } from '../../packages/core/src/names.ts'
import { startSiteGrid } from '../server/site-grid.ts'

/** A record of a refusal is shorter than this. */
const RECORD_BYTES = 1_000
const REQUESTS = 10_000
const AT_ONCE = 8

t.test('10,000 refused requests of a stranger add a few records to the audit log', async (t) => {
  const grid = await startSiteGrid(t, { series: [], started: false })
  const { dir, config } = grid.provisioned.site
  // So high a rate that none is turned away before it could be written down.
  const limit = { perSecond: 1_000_000, burst: 1_000_000 }
  const before = JSON.parse(await readFile(config, 'utf8')) as object
  await writeFile(config, JSON.stringify({ ...before, limit }))
  await grid.startSite()
  const self = await createServiceCertificate({ commonName: 'nobody', hosts: ['127.0.0.1'], days: 2 })
  const known = await grid.as('stranger')
  const nobody = { cert: self.certificate, key: self.key }
  const stranger = { cert: known.credential.certificate, key: known.credential.key }
  const log = join(dir, 'audit.jsonl')
  const { hostname, port } = new URL(grid.provisioned.site.api)
  const began = performance.now()
  const bytes = statSync(log).size

  const codes = new Map<number, number>()
  const flood = async (credential: object, count: number): Promise<void> => {
    const agent = new Agent({
      keepAlive: true,
      maxSockets: AT_ONCE,
      rejectUnauthorized: false,
      ...credential,
    })
    const one = () =>
      new Promise<void>((resolve, reject) => {
        const path = `/v1/content/${newGuid()}`
        request({ hostname, port, path, agent }, (reply) => {
          codes.set(reply.statusCode!, (codes.get(reply.statusCode!) ?? 0) + 1)
          reply.resume().once('end', resolve)
        })
          .once('error', reject)
          .end()
      })
    const lane = async () => {
      for (let i = 0; i < count / AT_ONCE; i++) await one()
    }
    await Promise.all(Array.from({ length: AT_ONCE }, lane))
    agent.destroy()
  }
  await flood(nobody, REQUESTS / 2)
  await flood(stranger, REQUESTS / 2)
  t.strictSame(Object.fromEntries(codes), { 401: REQUESTS / 2, 404: REQUESTS / 2 })
  const minutes = 1 + Math.floor((performance.now() - began) / 60_000)
  const added = statSync(log).size - bytes
  t.ok(added <= 2 * (minutes + 1) * RECORD_BYTES, `${added} bytes in ${minutes} minute(s)`)
  const refused = readFileSync(log, 'utf8').match(/"request-refused"/g)
  t.ok(refused!.length >= 2, 'the first of each is there')
})
