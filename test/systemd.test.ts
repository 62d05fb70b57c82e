import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'

const root = resolve(import.meta.dirname, '..')
const read = (unit: string) => readFileSync(join(root, 'deploy', unit), 'utf8')
const UNITS = ['mdm-site.service', 'mdm-keys.service']

t.test('systemd finds no fault in the units, and calls them hardened', async (t) => {
  const { status } = spawnSync('systemd-analyze', ['--version'])
  if (status !== 0) {
    t.not(process.env.MDM_PEERS, 'required', 'systemd-analyze must be there')
    return t.pass('skipped: systemd-analyze is not on this machine')
  }
  const dir = t.testdir()
  for (const unit of UNITS) {
    // The units say /opt/mdm, where the page installs; the program must be there to be verified.
    const file = join(dir, unit)
    writeFileSync(file, read(unit).replaceAll('/opt/mdm', root))
    const verified = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' })
    t.strictSame([verified.status, verified.stdout + verified.stderr], [0, ''], unit)
    const secure = ['security', '--offline=yes', '--threshold=20', file]
    const judged = spawnSync('systemd-analyze', secure, { encoding: 'utf8' })
    t.equal(judged.status, 0, `${unit}: ${judged.stdout.split('\n').slice(-3).join(' ')}`)
  }
})

t.test(
  "the units run what the page installs, without core dumps, swap, capabilities or other users' files",
  async (t) => {
    for (const unit of UNITS) {
      const kind = unit.slice('mdm-'.length, -'.service'.length)
      const text = read(unit)
      const home = `/var/lib/mdm-${kind}`
      t.match(text, `run.js ${kind} --config ${home}/${kind}.json\n`)
      const wanted = [
        `User=mdm-${kind}`,
        `WorkingDirectory=${home}`,
        'UMask=0077',
        'LimitCORE=0',
        'MemorySwapMax=0',
      ]
      const closed = [
        'NoNewPrivileges=yes',
        'CapabilityBoundingSet=',
        'ProtectSystem=strict',
        'PrivateTmp=yes',
      ]
      for (const line of [...wanted, ...closed]) t.ok(text.split('\n').includes(line), `${unit}: ${line}`)
    }
    const [site, keys] = UNITS.map(read) as [string, string]
    const lines = (text: string) =>
      text.split('\n').filter((line) => /^[A-Z]/.test(line) && !/mdm|Description/.test(line))
    t.strictSame(lines(site), lines(keys), 'one is as hardened as the other')
  },
)
