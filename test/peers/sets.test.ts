import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { addEchoes } from '../fixtures/echoes.ts'
import { runMdm } from '../fixtures/grid.ts'
import { startSiteGrid, type User } from '../server/site-grid.ts'

t.setTimeout(300_000)

const grid = await startSiteGrid(t, { series: [] })
const dir = await mkdtemp(join(tmpdir(), 'mdm-cli-sets-'))
t.teardown(() => rm(dir, { recursive: true }))
const as = async (user: User, ...args: string[]) =>
  await runMdm(args, { config: grid.provisioned.users[user]!.config, cwd: dir })

t.test('a set is registered, shown, shared and got by its GUID', async (t) => {
  await addEchoes(grid.source, 'e')
  const registered = await as('admin', 'register', '--json')
  t.match(registered.json, {
    registered: [{ version: 1 }, { version: 1 }],
    sets: [{ axis: 'echo', volumes: 2 }],
  })
  const { registered: volumes, sets } = registered.json as {
    registered: { guid: string }[]
    sets: [{ guid: string }]
  }
  const set = sets[0].guid
  const [first, second] = volumes.map(({ guid }) => guid) as [string, string]

  const listed = await as('admin', 'ls', '--sets')
  t.match(listed.stdout, new RegExp(`^${set} +1 .*echo.* 10 30 ms`, 'm'))
  const shown = await as('admin', 'stat', set, first)
  t.match(shown.stdout, new RegExp(`echo 30 ms +${second}@1`))
  t.match(shown.stdout, new RegExp(`set +${set}$`, 'm'), 'a volume says which set it is in')
  const query = await as('admin', 'query', `set=${set}`, '--format', 'csv', '--columns', 'guid,echo_time')
  t.strictSame(
    query.stdout.trim().split('\r\n').slice(1).toSorted(),
    [`${first},10`, `${second},30`].toSorted(),
  )

  const { dn } = (await as('scientist', 'whoami', '--json')).json as { dn: string }
  t.equal((await as('scientist', 'get', set)).code, 3, 'to a stranger it does not exist')
  const granted = await as('admin', 'acl', 'grant', set, '--to', dn, '--preset', 'process', '--json')
  t.match(granted.json, { grants: [{ guid: first }, { guid: second }] })
  const got = await as('scientist', 'get', set, '-o', 'echoes.nii', '--sidecar', '--json')
  t.match(got.json, {
    files: [{ guid: set, path: 'echoes.nii', members: [{ guid: first }, { guid: second }] }],
  })
  const nifti = await readFile(join(dir, 'echoes.nii'))
  t.strictSame([nifti.readInt16LE(40), nifti.readInt16LE(48)], [4, 2])
  t.match(JSON.parse(await readFile(join(dir, 'echoes.json'), 'utf8')), {
    MDM: { axis: { values: [10, 30] } },
  })
  t.match((await as('scientist', 'get', set, '--level', 'raw')).stderr, /no container of its own/)
  t.match((await as('scientist', 'get', set, '--format', 'metaimage')).stderr, /MetaImage/)

  const lists = await as('admin', 'acl', 'show', set, '--json')
  t.match(lists.json, { set, volumes: [{ guid: first }, { guid: second }] })
  await as('admin', 'acl', 'revoke', second, '--from', dn)
  t.equal((await as('scientist', 'get', set)).code, 3, 'with one volume less it does not exist')
  const again = await as('admin', 'acl', 'grant', set, '--to', dn, '--preset', 'process', '--json')
  t.equal(again.code, 0, 'granting again mends that')
  t.equal((await as('scientist', 'stat', set)).code, 0)
})
