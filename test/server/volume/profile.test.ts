import t from 'tap'
import { ContainerContext } from '@mdm/core/crypto/container/profile'
import { newGuid, newKid, SiteId } from '@mdm/core/names'
import { PROFILE } from '../../../packages/server/src/volume/deidentify.ts'
import { profileOf, retainedBy } from '../../../packages/server/src/volume/profile.ts'

const DATES = ['removed', 'modified'] as const
const AGES = ['removed', 'capped'] as const

t.test('a profile is code and edition, with the codes of its options, and can be read back', async (t) => {
  t.equal(profileOf({ dates: 'removed', ages: 'removed' }), PROFILE)
  t.match(PROFILE, /^113100-20\d\d[a-e]$/)
  t.equal(profileOf({ dates: 'modified', ages: 'removed' }), `${PROFILE}+113107`)
  t.equal(profileOf({ dates: 'modified', ages: 'capped' }), `${PROFILE}+113107+113108`)
  for (const dates of DATES)
    for (const ages of AGES) t.strictSame(retainedBy(profileOf({ dates, ages })), { dates, ages })
  t.strictSame(retainedBy('113100'), { dates: 'removed', ages: 'removed' }, 'that of earlier versions too')
})

t.test('a container holds every profile', async (t) => {
  const of = { guid: newGuid(), version: 1, kid: newKid(), site: SiteId.parse('demo'), plaintextBytes: 1 }
  for (const dates of DATES)
    for (const ages of AGES) t.ok(ContainerContext.parse({ ...of, profile: profileOf({ dates, ages }) }))
})
