import { createSecretKey, randomBytes, randomInt } from 'node:crypto'
import { combineShares, createFileKey } from '@mdm/core/crypto/file-key'
import { checkShare, isCommitted, type KeyManifest } from '@mdm/core/crypto/manifest'
import { decodeShareEnvelope, encodeShareEnvelope, shareDigest } from '@mdm/core/crypto/share-envelope'
import { newGuid, newKid, type KeyServerId } from '@mdm/core/names'
import t from 'tap'
import { newServers, sampleKey, sampleOptions } from './key-samples.ts'

t.test('any m of n key servers give the file key back, fewer do not', async (t) => {
  const { fileKey, manifest, released } = await sampleKey()
  for (const some of [
    [0, 1, 2],
    [4, 2, 0],
    [1, 3, 4],
    [0, 1, 2, 3, 4],
  ]) {
    t.ok(
      combineShares(
        manifest,
        some.map((i) => released[i]!),
      ).equals(fileKey),
      `servers ${some.join()}`,
    )
  }
  for (const some of [[], [0], [0, 4], [1, 1, 1]]) {
    t.throws(
      () =>
        combineShares(
          manifest,
          some.map((i) => released[i]!),
        ),
      { code: 'MDM_BELOW_THRESHOLD' },
      `servers ${some.join()}`,
    )
  }
  t.ok(isCommitted(manifest, fileKey))
  t.notOk(isCommitted(manifest, createSecretKey(randomBytes(32))))
})

t.test('W1: a threshold that leaves no server to spare, or none to combine, makes no key', async (t) => {
  for (const [m, n] of [
    [3, 3],
    [1, 3],
    [0, 3],
    [4, 3],
  ] as const)
    await t.rejects(createFileKey(sampleOptions({ m, n })), { code: 'MDM_CONFIG' })
  await t.rejects(createFileKey(sampleOptions({ servers: newServers(4) })), { code: 'MDM_CONFIG' })
  const [server] = newServers(1)
  await t.rejects(createFileKey(sampleOptions({ servers: Array<KeyServerId>(5).fill(server!) })), {
    code: 'MDM_CONFIG',
  })
})

t.test(
  'W4: a share that is not the one made for its server is refused, and the server named with what is wrong',
  async (t) => {
    const { manifest, released, options, fileKey } = await sampleKey()
    const { server, share } = released[1]!
    const envelope = decodeShareEnvelope(share)
    const altered = (changes: object) => encodeShareEnvelope({ ...envelope, ...changes })
    const at = (offset: number, value: number) =>
      Buffer.from(share.map((byte, i) => (i === offset ? value : byte)))
    const reSplit = await createFileKey({ ...options, epoch: 2, fileKey })
    const sameIds = await createFileKey(options)
    const lies: [string, Uint8Array, string][] = [
      ['x = 0', at(43, 0), 'form'],
      ['the share of another server', released[2]!.share, 'index'],
      ['x of another server', altered({ x: 3 }), 'index'],
      ['x beyond n', at(43, 6), 'form'],
      ['another volume', altered({ guid: newGuid() }), 'guid'],
      ['another key', altered({ kid: newKid() }), 'kid'],
      ['the share of a later epoch', reSplit.shares[1]!, 'epoch'],
      ['epoch 0', altered({ epoch: 0 }), 'form'],
      ['a lower threshold', altered({ m: 2 }), 'threshold'],
      ['another n', altered({ n: 6 }), 'threshold'],
      ["a valid share of the attacker's own key", sameIds.shares[1]!, 'digest'],
      ['a random payload', altered({ payload: randomBytes(80) }), 'digest'],
      ['another magic', at(0, 0), 'form'],
      ['another format version', at(4, 2), 'form'],
      ['short', share.subarray(1), 'length'],
      ['long', Buffer.concat([share, Buffer.alloc(1)]), 'length'],
      ['1 MiB', Buffer.alloc(1 << 20), 'length'],
      ['empty', Buffer.alloc(0), 'length'],
    ]
    for (const [name, lie, fault] of lies) {
      t.throws(
        () => checkShare(manifest, server, lie),
        { code: 'MDM_BAD_SHARE', details: { server, fault } },
        name,
      )
      const faults: unknown[] = []
      const key = combineShares(
        manifest,
        [{ server, share: lie }, released[0]!, released[2]!, released[4]!],
        (f) => faults.push(f.details),
      )
      t.ok(key.equals(fileKey), `${name}: the key is right`)
      t.same(faults, [{ server, fault }], `${name}: the liar is named`)
    }
    const stranger = newServers(1)[0]!
    t.throws(() => checkShare(manifest, stranger, share), {
      code: 'MDM_BAD_SHARE',
      details: { server: stranger, fault: 'server' },
    })
    t.ok(checkShare(manifest, server, share).equals(share))
  },
)

t.test('every single changed bit of a share is noticed', async (t) => {
  const { manifest, released } = await sampleKey({ m: 2, n: 3 })
  const { server, share } = released[0]!
  let noticed = 0
  for (let bit = 0; bit < share.length * 8; bit++) {
    share[bit >> 3]! ^= 1 << (bit & 7)
    try {
      checkShare(manifest, server, share)
    } catch {
      noticed++
    }
    share[bit >> 3]! ^= 1 << (bit & 7)
  }
  t.equal(noticed, 124 * 8)
})

t.test(
  'W5: with up to n - m liars the key is right and each liar is named; with one more there is no key',
  async (t) => {
    const { manifest, released, fileKey } = await sampleKey()
    for (let i = 0; i < 300; i++) {
      const liars = new Set<number>()
      const count = randomInt(0, 4)
      while (liars.size < count) liars.add(randomInt(5))
      const answers = released.map((r, j) => ({
        server: r.server,
        share: liars.has(j) ? lie(r.share) : r.share,
      }))
      const named: unknown[] = []
      const run = () => combineShares(manifest, answers, (f) => named.push(f.details.server))
      if (count <= 2) {
        if (!run().equals(fileKey)) t.fail('another key')
      } else t.throws(run, { code: 'MDM_BELOW_THRESHOLD' })
      if (named.length !== count || ![...liars].every((j) => named.includes(released[j]!.server)))
        t.fail('a liar is not named')
    }
    t.pass('300 gets')
  },
)

t.test('the key commitment stops shares that fit a manifest of another key', async (t) => {
  const { manifest, released } = await sampleKey()
  const other = await sampleKey()
  t.throws(() => combineShares({ ...manifest, kcv: other.manifest.kcv }, released), {
    code: 'MDM_COMMITMENT',
  })
  const envelope = decodeShareEnvelope(released[0]!.share)
  const forged = encodeShareEnvelope({ ...envelope, payload: randomBytes(80) })
  const digests = [shareDigest(forged), ...manifest.digests.slice(1)]
  const signedWrong: KeyManifest = { ...manifest, digests }
  const answers = [{ server: released[0]!.server, share: forged }, ...released.slice(1)]
  t.throws(() => combineShares(signedWrong, answers), { code: 'MDM_COMMITMENT' })
})

t.test('W6: the key leaves only as a KeyObject, and no buffer given is written to', async (t) => {
  const { fileKey, manifest, released, shares } = await sampleKey()
  t.equal(fileKey.type, 'secret')
  t.equal(fileKey.symmetricKeySize, 32)
  const before = shares.map((s) => Buffer.from(s))
  const again = combineShares(manifest, released)
  t.equal(again.type, 'secret')
  t.same(shares, before)
  const secret = fileKey.export()
  for (const share of shares) t.notOk(share.includes(secret), 'no share holds the key')
  t.notOk(JSON.stringify(manifest).includes(secret.toString('base64url')), 'nor does the manifest')
})

t.test('a key split again keeps its value under a later epoch, and the epochs do not mix', async (t) => {
  const first = await sampleKey()
  const second = await sampleKey({
    ...first.options,
    epoch: 2,
    servers: newServers(5),
    fileKey: first.fileKey,
  })
  t.ok(second.fileKey.equals(first.fileKey))
  t.equal(second.manifest.kcv, first.manifest.kcv)
  t.ok(combineShares(second.manifest, second.released).equals(first.fileKey))
  const mixed = [first.released[0]!, first.released[1]!, second.released[2]!]
  t.throws(() => combineShares(first.manifest, mixed), { code: 'MDM_BELOW_THRESHOLD' })
  await t.rejects(createFileKey(sampleOptions({ fileKey: createSecretKey(randomBytes(16)) })), {
    code: 'MDM_INTERNAL',
  })
})

t.test('a manifest that is not of the form is not signed', async (t) => {
  await t.rejects(createFileKey(sampleOptions({ epoch: 0 })), { code: 'MDM_INTERNAL' })
  await t.rejects(createFileKey(sampleOptions({ site: 'A Site' as never })), { code: 'MDM_INTERNAL' })
})

function lie(share: Buffer): Buffer {
  const lies = [
    () => randomBytes(124),
    () => share.subarray(0, randomInt(124)),
    () => Buffer.from(share.map((byte, i) => (i === 43 ? 0 : byte))),
    () => encodeShareEnvelope({ ...decodeShareEnvelope(share), payload: randomBytes(80) }),
  ]
  return lies[randomInt(lies.length)]!()
}
