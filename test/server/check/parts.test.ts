import { shellWord } from '@mdm/core/findings'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { join, resolve } from 'node:path'
import t from 'tap'
import { checkClock } from '@mdm/core/grid/clock'
import { checkEncryptedVolume } from '../../../packages/server/src/check/encrypted-volume.ts'
import { checkNode } from '../../../packages/server/src/check/node-version.ts'
import { checkOperators } from '../../../packages/server/src/check/operators.ts'
import { schemaState } from '../../../packages/server/src/store/schema-state.ts'

t.test('when one of three clocks differs it is named; when most do, it is this one', async (t) => {
  const at = (...seconds: number[]) =>
    seconds.map((s, i) => ({ url: `https://k${i}`, answers: true, clockAheadMs: s * 1_000 }))
  t.match(checkClock(at(0, 1, -2)), [{ level: 'ok' }])
  t.match(checkClock(at(0, 100, 0)), [{ level: 'warn', subject: 'https://k1', next: /on that machine/ }])
  t.match(checkClock(at(0, 0, -301)), [{ level: 'fault', subject: 'https://k2', message: /behind/ }])
  t.match(checkClock(at(400, 402, 0)), [
    { level: 'fault', subject: '', message: /this machine's clock is 40[02] s behind those of 2 of 3/ },
  ])
  t.match(checkClock([{ url: 'https://k0', answers: false }]), [{ level: 'warn', next: 'timedatectl' }])
})

t.test('an old Node is named', async (t) => {
  t.match(checkNode('24.14.9'), { level: 'fault', next: /npm ci/ })
  for (const version of ['24.15.0', '25.0.0', '26.10.0']) t.match(checkNode(version), { level: 'ok' })
})

t.test('a quorum on one machine, or in the hand of one operator, is a warning', async (t) => {
  const server = (i: number, host: string) =>
    ({ id: `id-${i}`, key: '', url: `https://${host}:1${i}`, tls: [] }) as never
  const body = (...hosts: string[]) => ({ m: 3, n: 5, keyServers: hosts.map((h, i) => server(i, h)) })
  const apart = body('a', 'b', 'c', 'd', 'e')
  t.match(checkOperators(apart), [{ level: 'ok' }])
  t.match(checkOperators(body('a', 'a', 'c', 'd', 'e')), [{ level: 'ok' }])
  t.match(checkOperators(body('a', 'b', 'a', 'd', 'a')), [
    { level: 'warn', message: /on one machine, a/, next: /init keys/ },
  ])
  t.match(checkOperators(apart, { 'id-0': 'Lab', 'id-2': 'Lab', 'id-4': 'Lab' }), [
    { level: 'warn', message: /run by "Lab"/ },
  ])
})

t.test(
  'an encrypted volume is seen directly, below LVM and by its name, and half of one is none',
  async (t) => {
    const root = t.testdir()
    const folder = join(root, 'data')
    mkdirSync(folder)
    const sys = (path: string, uuid?: string) => {
      mkdirSync(join(root, 'sys', path, 'dm'), { recursive: true })
      if (uuid !== undefined) writeFileSync(join(root, 'sys', path, 'dm/uuid'), `${uuid}\n`)
    }
    sys('dev/block/254:0', 'CRYPT-LUKS2-0123-luks')
    sys('dev/block/254:1', 'LVM-abc')
    sys('class/block/dm-7', 'CRYPT-LUKS2-4567-luks')
    sys('class/block/sda1')
    sys('dev/block/8:1')
    mkdirSync(join(root, 'proc/self'), { recursive: true })
    mkdirSync(join(root, 'dev/mapper'), { recursive: true })
    writeFileSync(join(root, 'dev/dm-7'), '')
    symlinkSync('../dm-7', join(root, 'dev/mapper/data'))
    const slaves = (...names: string[]) => {
      for (const name of names) mkdirSync(join(root, 'sys/dev/block/254:1/slaves', name), { recursive: true })
    }
    const on = async (device: string, source: string) => {
      const lines = [
        `20 1 8:1 / / rw - ext4 /dev/sda1 rw`,
        `21 20 ${device} / ${root} rw,noatime shared:1 - ext4 ${source} rw`,
      ]
      writeFileSync(join(root, 'proc/self/mountinfo'), `${lines.join('\n')}\n`)
      return (await checkEncryptedVolume(folder, root)).level
    }
    t.equal(await on('254:0', '/dev/mapper/x'), 'ok')
    t.equal(await on('8:1', '/dev/sda1'), 'warn')
    slaves('dm-7')
    t.equal(await on('254:1', '/dev/mapper/vg'), 'ok', 'LVM on LUKS')
    slaves('sda1')
    t.equal(await on('254:1', '/dev/mapper/vg'), 'warn', 'one part of it is in clear')
    t.equal(await on('0:44', '/dev/mapper/data'), 'ok', 'btrfs, by name')
    t.equal(await on('0:45', 'tmpfs'), 'warn')
    t.equal((await checkEncryptedVolume(folder, join(root, 'nowhere'))).level, 'warn')
  },
)

t.test('a schema is new, current, old or newer', async (t) => {
  const known = ['001-a', '002-b', '003-c']
  t.strictSame(schemaState(undefined, known), { kind: 'new' })
  t.strictSame(schemaState(['001-a', '002-b', '003-c'], known), { kind: 'current', level: '003-c' })
  t.strictSame(schemaState(['001-a'], known), { kind: 'old', level: '001-a', missing: ['002-b', '003-c'] })
  t.strictSame(schemaState([], known), { kind: 'old', level: 'nothing', missing: known })
  t.strictSame(schemaState([...known, '004-d'], known), { kind: 'newer', level: '004-d' })
})

t.test('a path in a command is one word to a shell, whatever is in it', async (t) => {
  for (const path of ['/a/b.key', "/it's here/x", '/a b/$(id)', '/a;b&c'])
    t.equal(spawnSync('sh', ['-c', `printf %s ${shellWord(path)}`], { encoding: 'utf8' }).stdout, path)
  t.equal(shellWord('/var/lib/mdm/tls.key'), '/var/lib/mdm/tls.key')
})

t.test('a disk that is really full is named: spool and audit log', async (t) => {
  const dir = t.testdir({ full: {} })
  const [spool, audit] = ['spool.ts', 'audit-log.ts'].map((f) =>
    resolve(import.meta.dirname, '../../../packages/server/src/check', f),
  )
  const look = `
    import { checkSpool } from ${JSON.stringify(spool)}
    import { checkAudit } from ${JSON.stringify(audit)}
    const full = process.argv[1]
    console.log(JSON.stringify([await checkSpool(full, 20e9), ...(await checkAudit(full + '/audit.jsonl'))]))
  `
  const node = [
    process.execPath,
    '--conditions=@mdm/source',
    '--input-type=module',
    '-e',
    look,
    '--',
    join(dir, 'full'),
  ]
  const inside = `mount -t tmpfs -o size=1m tmpfs "$1" && shift && exec "$@"`
  const run = spawnSync(
    'unshare',
    ['--mount', '--map-root-user', 'sh', '-c', inside, 'sh', join(dir, 'full'), ...node],
    { encoding: 'utf8' },
  )
  if (run.status !== 0) return t.pass('skipped: a file system of one megabyte cannot be mounted here')
  t.match(JSON.parse(run.stdout), [
    { name: 'spool', level: 'fault', message: /full/, next: /du -x/ },
    { name: 'audit', level: 'fault', message: /full/, next: /df / },
    { name: 'audit', level: 'ok' },
  ])
})
