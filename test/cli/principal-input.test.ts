import t from 'tap'
import { parseDn } from '@mdm/core/identity/dn'
import type { TrustedRoster } from '@mdm/core/identity/roster'
import { principalFrom } from '../../packages/cli/src/principal-input.ts'

const [hospital, grid] = ['CN=User CA,O=Hospital', 'CN=Grid CA,DC=example,DC=org'].map(parseDn) as [
  never,
  never,
]
const ca = (dn: never, ...spaces: string[]) => ({ identity: { dn }, nameSpaces: spaces.map(parseDn) })
const rosterOf = (...userCas: object[]) => ({ body: { seq: 2 }, userCas }) as unknown as TrustedRoster
const roster = rosterOf(ca(hospital, 'O=Hospital'), ca(grid, 'DC=example,DC=org'))

t.test('the CA of a user is the one that may give his name, in either spelling', async (t) => {
  for (const name of ['CN=Rita,DC=example,DC=org', '/DC=org/DC=example/CN=Rita'])
    t.match(await principalFrom(name, undefined, roster), { kind: 'user', issuer: grid }, name)
  t.match(await principalFrom('CN=Ada,O=Hospital', undefined, roster), { issuer: hospital })
  t.match(await principalFrom('group:ward', undefined, roster), { kind: 'group', name: 'ward' })
  t.match(await principalFrom('/vo.example.org/x', undefined, roster), { kind: 'fqan' })
})

t.test(
  'a name that no CA may give would be a grant to nobody, and is refused; --issuer takes any',
  async (t) => {
    const old = rosterOf(ca(hospital, 'O=Hospital'))
    const rita = 'CN=Rita,DC=example,DC=org'
    await t.rejects(principalFrom(rita, undefined, old), { code: 'MDM_USAGE', next: /config add/ })
    t.match(await principalFrom(rita, 'CN=Grid CA,DC=example,DC=org', old), { issuer: grid })
  },
)

t.test('where several could name him, the error says which', async (t) => {
  const two = rosterOf(ca(hospital, 'O=Hospital'), ca(grid, 'O=Hospital'))
  const both = { code: 'MDM_USAGE', next: /--issuer.*user ca.*grid ca/i }
  await t.rejects(principalFrom('CN=Ada,O=Hospital', undefined, two), both)
})
