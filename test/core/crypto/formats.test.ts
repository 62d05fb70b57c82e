import { createSecretKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { openHeader } from '@mdm/core/crypto/container/format'
import { containerLength, frameSpan } from '@mdm/core/crypto/container/profile'
import { parseContainerHeader } from '@mdm/core/crypto/container/reader'
import { FrameCipher } from '@mdm/core/crypto/container/suite'
import { sealHeader } from '@mdm/core/crypto/container/writer'
import { combineShares } from '@mdm/core/crypto/file-key'
import { keyCheckValue, verifyManifest } from '@mdm/core/crypto/manifest'
import { decodeShareEnvelope, shareDigest } from '@mdm/core/crypto/share-envelope'
import { keyFromSpki } from '@mdm/core/crypto/spki'
import type { Guid, Kid, KeyServerId, SiteId } from '@mdm/core/names'
import t from 'tap'
import { open } from './container-samples.ts'
import { evaluate, padSecret } from './gf256.ts'

const guid = '00112233-4455-4677-8899-aabbccddeeff' as Guid
const kid = '0f1e2d3c4b5a69788796a5b4c3d2e1f0' as Kid

/** The `name: value` lines of the example of a document; long values go on in indented lines. */
function example(document: string): (name: string) => string {
  const path = resolve(import.meta.dirname, '../../../docs/formats', document)
  const block = /^## Example\n[^]*?^```text\n([^]*?)^```/m.exec(readFileSync(path, 'utf8'))?.[1]
  if (block === undefined) throw new Error(`${document} has no example`)
  const lines = block
    .replaceAll(/\n {2}/g, '')
    .trimEnd()
    .split('\n')
  const values = new Map(lines.map((line) => line.split(/: ?/, 2) as [string, string]))
  return (name) => {
    const value = values.get(name)
    if (value === undefined || value === '') throw new Error(`the example of ${document} has no "${name}"`)
    return value
  }
}

t.test(
  'the example of docs/formats/container.md is what the writer writes and the reader reads',
  async (t) => {
    const say = example('container.md')
    const bytes = (name: string) => Buffer.from(say(name), 'hex')
    const fileKey = createSecretKey(bytes('file key'))
    const plaintext = bytes('plaintext')
    const context = {
      guid,
      version: 1,
      kid,
      plaintextBytes: plaintext.length,
      site: 'demo' as SiteId,
      profile: 'mdm-1',
    }
    const seed = { messageId: bytes('message id'), dataKey: bytes('data key'), iv: bytes('wrapping iv') }

    const { header, contentKey } = sealHeader(context, fileKey, seed)
    t.equal(
      header.toString('hex'),
      say('container').slice(0, header.length * 2),
      'the header is written as documented',
    )
    t.equal(contentKey.export().toString('hex'), say('content key'))
    const record = Buffer.from(
      `ffffffff00000001${'0'.repeat(16)}00000001${plaintext.length.toString(16).padStart(8, '0')}`,
      'hex',
    )
    const frame = Buffer.concat([record, Buffer.alloc(plaintext.length + 16)])
    new FrameCipher(contentKey, seed.messageId).seal(1, true, plaintext, frame, record.length)
    t.equal(Buffer.concat([header, frame]).toString('hex'), say('container'), 'and so is the frame')

    const container = bytes('container')
    t.equal(containerLength(context), Number(say('container bytes')))
    t.equal(container.length, Number(say('container bytes')))
    const read = parseContainerHeader(container)!
    t.same(read.context, context)
    t.equal(read.etag, say('etag'))
    t.equal(read.headerBytes, Number(say('header bytes')))
    t.equal(read.message.commitment.toString('hex'), say('commitment'))
    t.same(frameSpan(read.headerBytes, plaintext.length, 1), { start: header.length, end: container.length })
    t.ok(openHeader(read.message, seed.dataKey).equals(contentKey))
    t.ok((await open(container, fileKey, { guid, version: 1, kid })).equals(plaintext))
  },
)

t.test('the example of docs/formats/keys.md splits, verifies and combines as documented', async (t) => {
  const say = example('keys.md')
  const secret = Buffer.from(say('file key'), 'hex')
  const padded = padSecret(secret)
  t.equal(Buffer.from(padded).toString('hex'), say('padded secret'))
  const shares = [1, 2, 3].map((x) => ({
    server: say(`server ${x}`) as KeyServerId,
    share: Buffer.from(say(`share ${x}`), 'hex'),
  }))
  for (const [i, { share }] of shares.entries()) {
    const { payload, ...rest } = decodeShareEnvelope(share)
    t.same(rest, { guid, kid, epoch: 1, m: 2, n: 3, x: i + 1 })
    t.same(
      [...payload],
      padded.map((byte, at) => evaluate([byte, (7 * at + 3) & 255], i + 1)),
    )
    t.equal(shareDigest(share), say(`digest ${i + 1}`))
  }
  const signer = { kid: 'demo-1', key: keyFromSpki(say('signing key')) }
  const manifest = await verifyManifest(say('manifest'), [signer], {
    site: 'demo' as SiteId,
    guid,
    version: 1,
    kid,
  })
  t.same(
    manifest.digests,
    [1, 2, 3].map((i) => say(`digest ${i}`)),
  )
  t.same(
    manifest.servers,
    shares.map((s) => s.server),
  )
  t.equal(manifest.kcv, say('key commitment'))
  const fileKey = createSecretKey(secret)
  t.equal(keyCheckValue(fileKey, guid, kid), say('key commitment'))
  for (const pair of [
    [0, 1],
    [1, 2],
    [2, 0],
  ])
    t.ok(
      combineShares(
        manifest,
        pair.map((i) => shares[i]!),
      ).equals(fileKey),
    )
})
