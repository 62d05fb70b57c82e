import { generateKeyPairSync } from 'node:crypto'
import { signJws } from '@mdm/core/crypto/jws'
import { MANIFEST_TYP, signManifest, verifyManifest } from '@mdm/core/crypto/manifest'
import { newGuid, newKid, type SiteId } from '@mdm/core/names'
import t from 'tap'
import { newServers, sampleKey, signer } from './key-samples.ts'

const trusted = [
  signer,
  { kid: 'sign-2', key: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey },
]

t.test('a manifest signed by a signing key of the site is read, whichever of them it is', async (t) => {
  const { jws, manifest } = await sampleKey()
  const { site, guid, version, kid } = manifest
  t.same(await verifyManifest(jws, trusted, { site, guid, version, kid }), manifest)
  const second = await signManifest(manifest, trusted[1]!)
  t.same(await verifyManifest(second, trusted, {}), manifest)
})

t.test(
  'a manifest by a key that is not in the roster is refused, whatever name it gives the key',
  async (t) => {
    const { manifest } = await sampleKey()
    const stranger = generateKeyPairSync('ed25519').privateKey
    const unknown = await signManifest(manifest, { kid: 'other', key: stranger })
    await t.rejects(verifyManifest(unknown, trusted, {}), {
      code: 'MDM_MANIFEST',
      details: { fault: 'signer' },
    })
    const posing = await signManifest(manifest, { kid: signer.kid, key: stranger })
    await t.rejects(verifyManifest(posing, trusted, {}), {
      code: 'MDM_MANIFEST',
      details: { fault: 'signature' },
    })
    const mixed = await signManifest(manifest, { kid: 'sign-2', key: signer.key })
    await t.rejects(verifyManifest(mixed, trusted, {}), {
      code: 'MDM_MANIFEST',
      details: { fault: 'signature' },
    })
    await t.rejects(verifyManifest(unknown, [], {}), { code: 'MDM_MANIFEST' })
  },
)

t.test('a manifest of another site, volume, version or key is refused', async (t) => {
  const { jws } = await sampleKey()
  const others = { site: 'elsewhere' as SiteId, guid: newGuid(), version: 2, kid: newKid() }
  for (const fault of ['site', 'guid', 'version', 'kid'] as const) {
    await t.rejects(verifyManifest(jws, trusted, { [fault]: others[fault] }), {
      code: 'MDM_MANIFEST',
      details: { fault },
    })
  }
})

t.test('a manifest changed in any field no longer verifies', async (t) => {
  const { jws, manifest } = await sampleKey()
  const [header, , signature] = jws.split('.')
  const changes = {
    site: 'x',
    guid: newGuid(),
    version: 2,
    kid: newKid(),
    epoch: 2,
    m: 2,
    n: 6,
    servers: newServers(5),
    kcv: 'A'.repeat(43),
    created: '2001-01-01T00:00:00.000Z',
  }
  for (const [field, value] of Object.entries(changes)) {
    const payload = Buffer.from(JSON.stringify({ ...manifest, [field]: value })).toString('base64url')
    await t.rejects(
      verifyManifest(`${header}.${payload}.${signature}`, trusted, {}),
      { code: 'MDM_MANIFEST', details: { fault: 'signature' } },
      field,
    )
  }
})

t.test('a signed object of another kind or form is no manifest', async (t) => {
  const { manifest } = await sampleKey()
  const statement = await signJws(manifest, signer.key, { typ: 'mdm-statement+jwt', kid: signer.kid })
  await t.rejects(verifyManifest(statement, trusted, {}), {
    code: 'MDM_MANIFEST',
    details: { fault: 'signature' },
  })
  const { kcv: _, ...unpinned } = manifest
  const wrong = [
    unpinned,
    { ...manifest, v: 2 },
    { ...manifest, extra: 1 },
    { ...manifest, m: 5 },
    { ...manifest, m: 1 },
    { ...manifest, n: 4 },
    { ...manifest, digests: manifest.digests.slice(1) },
    { ...manifest, servers: Array(5).fill(manifest.servers[0]) },
    { ...manifest, epoch: 0 },
    { ...manifest, kcv: 'AAAA' },
  ]
  for (const body of wrong) {
    const jws = await signJws(body, signer.key, { typ: MANIFEST_TYP, kid: signer.kid })
    await t.rejects(verifyManifest(jws, trusted, {}), { code: 'MDM_MANIFEST', details: { fault: 'form' } })
  }
  for (const text of ['', 'a.b.c', 'x'.repeat(100_000)])
    await t.rejects(verifyManifest(text, trusted, {}), { code: 'MDM_MANIFEST' })
})
