import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { openSession, type Session } from '@mdm/core/access/session'
import { addRoster, loadConfig } from '@mdm/core/config'
import { rosterFingerprint, signRoster, vouchTls } from '@mdm/core/identity/roster'
import { nrrdHeader } from '@mdm/core/volume/formats/nrrd'
import { voxelBytes, type Volume } from '@mdm/core/volume/volume'
import {
  caller,
  json,
  problem,
  service,
  spkiText,
  startService,
  type Loopback,
} from '../../fixtures/loopback.ts'
import { parseContainerHeader } from '@mdm/core/crypto/container/reader'
import { PLAIN } from '../volume/volumes.ts'
import { sampleContext, seal } from '../crypto/container-samples.ts'
import { sampleKey } from '../crypto/key-samples.ts'
import { servicePair } from '../identity/certificates.ts'
import { sampleSite } from '../identity/roster-samples.ts'

/** What the site says when it is asked for a container. */
export interface Sent {
  container: Buffer
  headers: Record<string, string | number>
  /** cut the body after so many bytes */
  cutAfter?: number
  /** send so many bytes, and the rest when this is over */
  hold?: { after: number; until: Promise<void> }
}

/** A site and three key servers whose every answer a test may change, and a real session at them. */
export interface LoopbackGrid {
  readonly session: Session
  readonly key: Awaited<ReturnType<typeof sampleKey>>
  /** the NRRD plaintext */
  readonly plaintext: Buffer
  readonly site: Loopback
  readonly volume: Volume
  /** Seals the plaintext anew: another message id and data key, the same volume. */
  seal(changes?: Parameters<typeof sampleContext>[1]): Promise<Buffer>
  /** what is served from now on; a function is asked at every request */
  serve(container: Buffer | (() => Promise<Buffer>)): void
  /** changes what the site is about to send */
  change: (sent: Sent) => Sent | Promise<Sent>
  /** the site's word on a preparation; undefined: it knows none */
  preparation: object | undefined
}

const SHAPE: Volume = { ...PLAIN, columns: 128, rows: 128, slices: 16 }

/** @param o a volume of other slices than 16, of 32 KiB each */
export async function startLoopbackGrid(t: Test, o: { slices?: number } = {}): Promise<LoopbackGrid> {
  const shape = { ...SHAPE, ...o }
  const sample = sampleSite()
  const key = await sampleKey({
    n: 3,
    m: 2,
    servers: sample.body.keyServers.map((k) => k.id),
    signer: sample.signer,
  })
  const { guid, version, kid } = key.options
  const plaintext = Buffer.concat([nrrdHeader(shape), randomBytes(voxelBytes(shape))])
  const sealed: LoopbackGrid['seal'] = (changes = {}) => {
    const context = sampleContext(plaintext.length, { guid, version, kid, ...changes })
    return seal(context, key.fileKey, plaintext)
  }
  let current: Buffer | (() => Promise<Buffer>) = await sealed()

  const site = await startService(t, async (request, reply) => {
    if (request.url?.includes('/preparations/')) {
      if (grid.preparation === undefined) return json(reply, problem('MDM_NOT_FOUND', 404), 404)
      return json(reply, grid.preparation)
    }
    await send(request, reply, typeof current === 'function' ? await current() : current)
  })
  const tlsPairs = key.released.map(() => servicePair())
  const keyServers = await Promise.all(
    key.released.map(({ share }, i) =>
      startService(
        t,
        (_, reply) =>
          json(reply, {
            releases: [{ kid, version, epoch: 1, manifest: key.jws, share: share.toString('base64') }],
          }),
        tlsPairs[i],
      ),
    ),
  )
  const tls = (i: number) => {
    const spki = spkiText(tlsPairs[i]!)
    return [{ spki, voucher: vouchTls(sample.keyServers[i]!.identity, spki) }]
  }
  const roster = await signRoster(
    {
      ...sample.body,
      api: site.url,
      services: [{ spki: spkiText(service) }],
      keyServers: sample.body.keyServers.map((k, i) => ({ ...k, url: keyServers[i]!.url, tls: tls(i) })),
    },
    sample.signer,
  )

  async function send(request: IncomingMessage, reply: ServerResponse, container: Buffer): Promise<void> {
    const { etag } = parseContainerHeader(container)!
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
    const fits = range !== null && (request.headers['if-range'] ?? `"${etag}"`) === `"${etag}"`
    const start = fits ? Number(range[1]) : 0
    const end = fits && range[2] !== '' ? Math.min(Number(range[2]) + 1, container.length) : container.length
    const sent = await grid.change({
      container: container.subarray(start, end),
      headers: {
        etag: `"${etag}"`,
        'mdm-guid': guid,
        'mdm-version': version,
        'mdm-kid': kid,
        'content-length': end - start,
        ...(fits ? { 'content-range': `bytes ${start}-${end - 1}/${container.length}` } : {}),
      },
    })
    reply.writeHead(fits ? 206 : 200, sent.headers)
    if (sent.hold !== undefined) {
      reply.write(sent.container.subarray(0, sent.hold.after))
      await sent.hold.until
      return void reply.end(sent.container.subarray(sent.hold.after))
    }
    if (sent.cutAfter === undefined) return void reply.end(sent.container)
    reply.write(sent.container.subarray(0, sent.cutAfter), () => setTimeout(() => reply.destroy(), 20))
  }

  const session = await sessionWith(t, roster)
  const grid: LoopbackGrid = {
    session,
    key,
    plaintext,
    site,
    volume: shape,
    seal: sealed,
    serve: (container) => void (current = container),
    change: (sent) => sent,
    preparation: undefined,
  }
  return grid
}

async function sessionWith(t: Test, roster: string): Promise<Session> {
  const dir = await mkdtemp(join(tmpdir(), 'mdm-session-'))
  t.teardown(() => rm(dir, { recursive: true, force: true }))
  const [config, cert, key] = ['config.json', 'me.pem', 'me.key'].map((name) => join(dir, name)) as [
    string,
    string,
    string,
  ]
  await writeFile(cert, caller.certificate)
  await writeFile(key, caller.key, { mode: 0o600 })
  await writeFile(config, '{}')
  await addRoster(await loadConfig({ config }, {}), roster, { fingerprint: rosterFingerprint(roster) })
  const session = await openSession(await loadConfig({ config, cert, key }, {}))
  t.teardown(() => session.close())
  return session
}
