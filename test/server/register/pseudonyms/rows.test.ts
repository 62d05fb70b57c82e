import { createSecretKey, randomBytes } from 'node:crypto'
import t from 'tap'
import { cappedAge } from '../../../../packages/server/src/register/pseudonyms/age.ts'
import { pseudonymKeysOf, shiftedDate } from '../../../../packages/server/src/register/pseudonyms/derive.ts'
import { pseudonymCells } from '../../../../packages/server/src/register/pseudonyms/rows.ts'
import { profileOf } from '../../../../packages/server/src/volume/profile.ts'

const keys = pseudonymKeysOf(createSecretKey(randomBytes(32)))
const of = {
  ...{ study: '1.2.3', series: '1.2.3.4', frameOfReference: '1.2.3.5' },
  ...{
    patientId: 'P',
    issuer: 'I',
    birthDate: '1930-05-02',
    acquisitionDate: '2024-05-01',
    patientAge: null,
  },
}

t.test('what leaves beside the closed list is what the profile of the version says', async (t) => {
  const cells = (profile: string) => pseudonymCells(keys, { ...of, profile })
  const patient = { patientId: 'P', issuer: 'I', study: '1.2.3' }
  const shifted_date = shiftedDate(keys, patient, '2024-05-01')
  for (const before of ['113100', profileOf({ dates: 'removed', ages: 'removed' })])
    t.strictSame(cells(before).medical, { shifted_date: null, age: null })
  t.strictSame(cells(profileOf({ dates: 'modified', ages: 'removed' })).medical, { shifted_date, age: null })
  t.strictSame(cells(profileOf({ dates: 'modified', ages: 'capped' })).medical, { shifted_date, age: 90 })
})

t.test('every UID has a stand-in of its own, and one that is absent has none', async (t) => {
  const { dicom } = pseudonymCells(keys, { ...of, profile: '113100' })
  t.equal(new Set(Object.values(dicom)).size, 3)
  const without = pseudonymCells(keys, { ...of, frameOfReference: null, profile: '113100' })
  t.equal(without.dicom.frame_of_reference_pseudonym, null)
  t.equal(without.dicom.study_pseudonym, dicom.study_pseudonym)
})

t.test('ages are whole years, and above 89 one and the same', async (t) => {
  const age = (patientAge: string | null, birthDate: string | null = null) =>
    cappedAge({ patientAge, birthDate, acquisitionDate: '2024-05-01' })
  t.equal(age('045Y'), 45)
  t.equal(age('089Y'), 89)
  t.equal(age('090Y'), 90)
  t.equal(age('104Y'), 90)
  t.equal(age('018M'), 1)
  t.equal(age('060W'), 1)
  t.equal(age('003D'), 0)
  t.equal(age(null, '1930-05-01'), 90)
  t.equal(age(null, '1960-05-01'), 64)
  t.equal(age(null, '1960-05-02'), 63)
  for (const bad of ['45Y', '045', 'old', '']) t.equal(age(bad), null, bad)
  t.equal(age(null, '2025-01-01'), null, 'born after the examination')
})
