import { writeSeries } from '@mdm/server/dicom/dcmjs/write-series'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'

const SLICES = 2_048
const CLIENT = resolve(import.meta.dirname, '../fixtures/peers/read-series.ts')

t.setTimeout(300_000)

t.test('a series of 1 GB to a slow reader takes no more memory than a short one', async (t) => {
  const sop = (k: number): string => `2.25.1${String(k).padStart(29, '0')}`
  const written = await writeSeries(t.testdir(), {
    ...{
      modality: 'CT',
      columns: 512,
      rows: 512,
      slices: 1,
      spacing: [1, 1, 1],
      sop,
      voxel: (i, j) => i ^ j,
    },
  })
  const file = readFileSync(written.files[0]!)
  const places: number[] = []
  for (let at = -1; (at = file.indexOf(sop(0), at + 1)) !== -1;) places.push(at)
  const head = Buffer.from(`--b\r\nContent-Type: application/dicom\r\nContent-Length: ${file.length}\r\n\r\n`)
  let [sent, ahead] = [0, 0]

  const server = createServer((request, reply) => {
    if (!request.url!.includes('/studies/')) {
      const value = (vr: string, each: unknown) => ({ vr, Value: [each] })
      const ids = { '0020000D': value('UI', written.study), '0020000E': value('UI', written.series) }
      reply.writeHead(200, { 'content-type': 'application/dicom+json' })
      return void reply.end(JSON.stringify([{ ...ids, '00201209': value('IS', SLICES) }]))
    }
    reply.writeHead(200, { 'content-type': 'multipart/related; type="application/dicom"; boundary=b' })
    let k = 0
    const next = (): void => {
      for (; k < SLICES; k++) {
        const object = Buffer.from(file)
        for (const at of places) object.write(sop(k), at, 'latin1')
        sent += object.length
        if (reply.write(Buffer.concat([head, object, Buffer.from('\r\n')]))) continue
        ahead = Math.max(ahead, reply.writableLength)
        k++
        return void reply.once('drain', next)
      }
      reply.end('--b--')
    }
    next()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `dicomweb+http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const args = ['--conditions=@mdm/source', CLIENT, url, written.study, written.series, '10']
  const client = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  client.stdin.end(Array.from({ length: SLICES }, (_, k) => sop(k)).join('\n'))
  const told = await text(client.stdout)
  const { objects, bytes, grownMiB } = JSON.parse(told) as Record<string, number>
  t.equal(objects, SLICES)
  t.equal(bytes, SLICES * 512 * 512 * 2)
  t.ok(sent > 1 << 30 && ahead > 0, 'the server had to wait for the reader')
  t.ok(grownMiB! <= 64, told)
  t.comment(told)
})
