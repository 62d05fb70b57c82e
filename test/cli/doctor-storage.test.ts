import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { checkStorage } from '../../packages/cli/src/doctor/storage.ts'

const dir = t.testdir()
const folder = (name: string, ...files: string[]) => {
  const path = join(dir, name)
  mkdirSync(path)
  for (const file of files) writeFileSync(join(path, file), '')
  return path
}
const look = (caDir: string | undefined) => checkStorage({ file: join(dir, 'config.json'), sites: {}, caDir })

t.test('who uses no storage service is told nothing of it', async (t) => {
  t.strictSame(await look(undefined), [])
})

t.test(
  'a folder of CAs without one, or one without its signing policy, is named with what mends it',
  async (t) => {
    t.match(await look(join(dir, 'absent')), [{ name: 'ca-folder', level: 'warn', next: /--ca-dir/ }])
    t.match(await look(folder('empty', 'ca.pem')), [{ level: 'warn', message: /HASH\.0/ }])
    const bare = folder('bare', '0a1b2c3d.0', '0a1b2c3d.signing_policy', 'ffffffff.0', 'ffffffff.r0')
    t.match(await look(bare), [{ level: 'warn', message: /1 of 2 CAs/, next: /ffffffff\.signing_policy/ }])
    t.match(await look(folder('good', '0a1b2c3d.0', '0a1b2c3d.signing_policy')), [{ level: 'ok' }])
  },
)
