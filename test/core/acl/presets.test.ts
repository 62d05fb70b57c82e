import t from 'tap'
import { foundingEntries, missingPreset, Preset, presetEntries } from '@mdm/core/acl/presets'
import { rightsOf, signFounding } from '@mdm/core/acl/statement'
import type { AclObject } from '@mdm/core/wire/common'
import { ISSUER } from '../identity/roster-samples.ts'
import { ADMIN } from '../identity/roster-samples.ts'
import { GUID, NOW, sample, user } from './statement-samples.ts'

/** Decision 7, written out: what each preset gives on each object, and nothing else. */
const TABLE: Record<Preset, Record<string, string>> = {
  replicate: { file: 'list read' },
  process: { file: 'list read', key: 'read', 'metadata:image': 'basic', 'metadata:medical': 'basic' },
  research: {
    file: 'list read',
    key: 'read',
    'metadata:image': 'read',
    'metadata:medical': 'research',
    'metadata:dicom': 'research',
    'metadata:protocol': 'read',
  },
  clinical: {
    file: 'list read',
    key: 'read',
    'metadata:patient': 'read',
    'metadata:image': 'read',
    'metadata:medical': 'read',
    'metadata:dicom': 'read',
    'metadata:protocol': 'read',
  },
  admin: {
    file: 'list read admin',
    key: 'read admin',
    'metadata:patient': 'read admin',
    'metadata:image': 'read admin',
    'metadata:medical': 'read admin',
    'metadata:dicom': 'read admin',
    'metadata:protocol': 'read admin',
  },
}

t.test('each preset gives exactly what the table says', async (t) => {
  for (const preset of Preset.options) {
    const entries = presetEntries(preset, user('Alice'), { versions: [1] })
    const given = Object.fromEntries(entries.map(({ object, entry }) => [object, entry.rights.join(' ')]))
    t.strictSame(given, TABLE[preset], preset)
    t.ok(
      entries.every(
        ({ entry }) => entry.to.kind === 'user' && entry.versions[0] === 1 && !('expires' in entry),
      ),
    )
  }
})

t.test('a preset with an end gives entries with that end', async (t) => {
  const expires = '2027-01-01T00:00:00Z'
  const entries = presetEntries('process', user('Alice'), { versions: 'all', expires })
  t.ok(entries.every(({ entry }) => entry.expires === expires && entry.versions === 'all'))
})

t.test('a refusal names the least preset that helps', async (t) => {
  const asked: [AclObject, Parameters<typeof missingPreset>[1], Preset][] = [
    ['file', 'list', 'replicate'],
    ['file', 'read', 'replicate'],
    ['file', 'write', 'admin'],
    ['file', 'admin', 'admin'],
    ['key', 'read', 'process'],
    ['metadata:image', 'basic', 'process'],
    ['metadata:medical', 'basic', 'process'],
    ['metadata:image', 'research', 'research'],
    ['metadata:image', 'read', 'research'],
    ['metadata:medical', 'research', 'research'],
    ['metadata:protocol', 'basic', 'research'],
    ['metadata:medical', 'read', 'clinical'],
    ['metadata:patient', 'basic', 'clinical'],
    ['metadata:dicom', 'read', 'clinical'],
  ]
  for (const [object, right, preset] of asked)
    t.equal(missingPreset(object, right), preset, `${object} ${right}`)
})

t.test('a new volume belongs to its administrators, and the site reads its key to encrypt', async (t) => {
  const policy = [{ to: user('Backup'), preset: 'replicate' as const }]
  const lists = foundingEntries({
    site: sample.site,
    administrators: [{ dn: ADMIN, issuer: ISSUER }],
    policy,
  })
  t.strictSame(
    [...lists.keys()].sort(),
    Object.keys(TABLE.admin).sort(),
    'every list is founded, so none is left to found',
  )
  const admin = { kind: 'user', dn: ADMIN, issuer: ISSUER }
  for (const [object, entries] of lists) {
    t.strictSame(entries[0], { to: admin, rights: TABLE.admin[object]!.split(' '), versions: 'all' }, object)
  }
  t.strictSame(lists.get('key')!.slice(1), [
    { to: { kind: 'service', site: sample.site }, rights: ['read'], versions: 'all' },
  ])
  t.strictSame(lists.get('file')!.slice(1), [
    { to: user('Backup'), rights: ['list', 'read'], versions: 'all' },
  ])
  for (const [object, entries] of lists)
    t.ok(
      await signFounding({ site: sample.site, guid: GUID, object, entries, signer: sample.signer, now: NOW }),
      `${object} can be signed`,
    )
})

t.test('every right exists on some object', async (t) => {
  t.strictSame(rightsOf('ban'), [])
  t.strictSame(rightsOf('group:a'), [])
  t.strictSame(rightsOf('key'), ['read', 'admin'])
})
