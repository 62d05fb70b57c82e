import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { cp, mkdir, mkdtemp, readFile, readdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { cliCommands } from '../fixtures/cli-commands.ts'
import { addEchoes } from '../fixtures/echoes.ts'
import { runMdm, startGrid, type Grid } from '../fixtures/grid.ts'
import { startStorageElement } from '../fixtures/storage-element.ts'
import { makeStoragePki } from '../fixtures/storage-pki.ts'
import { addSeries } from '../server/site-grid.ts'

t.setTimeout(600_000)

const RUN = resolve(import.meta.dirname, '../../packages/cli/bin/run.js')

/** Where help text and this test must agree: docs/cli.md has the list for readers. */
type Words = Record<string, (scratch: string) => Promise<string> | string>

/** A reader that stops early ends the writer with 128 + SIGPIPE, as it ends any program. */
const allowed = (example: string) => (/\| head/.test(example) ? [0, 141] : [0])

t.test('every example of every help text runs', async (t) => {
  const commands = await cliCommands()
  const grid = await startGrid(t)
  const words = await valuesFor(t, grid)
  const path = await pathWithMdm(grid)
  const used = new Set<string>()

  for (const { id, examples } of commands) {
    t.ok(examples.length > 0, `mdm ${id} has examples`)
    for (const example of examples) {
      await t.test(example, { timeout: 120_000 }, async (t) => {
        if (/\bquarantine\b|QUARANTINE_ID/.test(example)) await addRefused(grid)
        if (/\b(HELD_ID|RELEASED_ID)\b/.test(example)) await addHeld(grid)
        const scratch = await mkdtemp(join(grid.scratch, 'example-'))
        const command = await filledIn(example, words, scratch, used)
        t.teardown(() => stopDemos(scratch))
        const config = await copyOfAdmin(grid, scratch)
        const env = { ...process.env, NO_COLOR: '1', PATH: path, MDM_CONFIG: config }
        const { code, stderr } = await shell(command, { cwd: scratch, env })
        t.ok(allowed(example).includes(code), `exit code ${code}: ${stderr}`)
      })
    }
  }
  t.strictSame([...used].sort(), Object.keys(words).sort(), 'no word is listed for nothing')
})

t.test('the words of the examples are those docs/cli.md explains', async (t) => {
  const text = await readFile(resolve(import.meta.dirname, '../../docs/cli.md'), 'utf8')
  const rows = text.slice(text.indexOf('| word | stands for |')).match(/^\| `.*$/gm) ?? []
  const explained = rows.flatMap((row) => [...row.split('|')[1]!.matchAll(/`([A-Z_]+)`/g)].map((m) => m[1]!))
  const written = (await cliCommands()).flatMap(({ examples }) => examples.flatMap(capitals))
  t.strictSame([...new Set(written)].sort(), explained.sort())
})

/** Words in capitals that stand alone or fill an argument; not names within a query or a distinguished name. */
function capitals(example: string): string[] {
  return [...example.matchAll(/(?<=[ "])[A-Z][A-Z_]+(?=[ "]|$)/g)]
    .map((m) => m[0])
    .filter((word) => !['CA'].includes(word))
}

async function filledIn(example: string, words: Words, scratch: string, used: Set<string>): Promise<string> {
  let command = example
  for (const word of new Set(capitals(example))) {
    const value = words[word]
    if (value === undefined) throw new Error(`the example uses ${word}, for which there is no value`)
    used.add(word)
    command = command.replaceAll(new RegExp(`(?<=[ "])${word}(?=[ "]|$)`, 'g'), await value(scratch))
  }
  return command
}

async function valuesFor(t: Test, grid: Grid): Promise<Words> {
  const { registered } = (await grid.ok('admin', ['register', '--json'])).json
  await addEchoes(join(grid.dir, 'source'), 'echoes')
  const { sets } = (await grid.ok('admin', ['register', '--json'])).json
  const volume = registered.find((v: { modality: string }) => v.modality === 'MR')
  const me = (await grid.ok('admin', ['whoami', '--json'])).json
  const shown = (await grid.ok('admin', ['config', 'show', '--json'])).json
  const stored = JSON.parse(await readFile(grid.users.admin.config, 'utf8'))
  const at = (path: string) => resolve(dirname(grid.users.admin.config), path)
  const container = join(grid.scratch, 'example.mdm')
  await grid.ok('admin', ['get', volume.guid, '--level', 'raw', '-o', container])
  const pki = await makeStoragePki(t)
  const element = await startStorageElement(t, pki.issue())
  element.files.set(`/mdm/${volume.guid}`, { content: await readFile(container), headers: {} })
  return {
    GUID: () => volume.guid,
    LFN: () => volume.lfn,
    SET: () => sets[0].guid,
    DN: () => grid.users.scientist.dn,
    ISSUER: () => me.issuer,
    SITE: () => me.site,
    SOURCE: () => volume.source,
    SURL: () => element.surl(`/mdm/${volume.guid}`),
    SRM: () => element.endpoint,
    CERTIFICATES: () => pki.dir,
    CONTAINER: () => container,
    QUARANTINE_ID: async () => {
      const { stdout } = await grid.ok('admin', ['quarantine', 'ls', '--ids'])
      return stdout.split('\n')[0]!
    },
    CAPABILITY: async (scratch) => {
      const file = join(scratch, 'some.cred')
      await grid.ok('admin', ['credential', 'delegate', '--guid', volume.guid, '-o', file])
      return file
    },
    PUBLIC_KEY: async (scratch) => {
      const file = join(scratch, 'some.pub')
      const made = await runMdm(['credential', 'key', '-o', join(scratch, 'some.key')])
      await writeFile(file, made.stdout)
      return file
    },
    CANARIES: async (scratch) => {
      const file = join(scratch, 'canaries.txt')
      await writeFile(file, 'MUSTERMANN^ERIKA\nQX-7781-3309\n')
      return file
    },
    HELD_ID: () => heldId(grid),
    SERIES_UID: async () => (await addSeries(join(grid.dir, 'source'), `look-${randomUUID()}`)).series,
    RELEASED_ID: async () => {
      const id = await heldId(grid)
      await grid.ok('admin', ['quarantine', 'release', id, '--reason', 'an example'])
      return id
    },
    ROSTER: () => at(stored.sites[me.site].roster),
    FINGERPRINT: () => `'${shown.sites[0].fingerprint}'`,
    CERTIFICATE: () => at(stored.credential.certificate),
    KEY: () => at(stored.credential.key),
    DICOM_DIR: () => join(grid.dir, 'source'),
    DEMO_DIR: (scratch) => join(scratch, 'demo'),
    CA_DIR: async (scratch) => {
      const dir = join(scratch, 'ca')
      const made = await runMdm(['ca', 'init', '--dir', dir, '--name', 'CN=Test CA,O=Example Hospital'])
      if (made.code !== 0) throw new Error(made.stderr)
      return dir
    },
    RUNNING_DEMO: async (scratch) => {
      const dir = join(scratch, 'demo')
      const up = await runMdm(['demo', 'up', '--dir', dir])
      if (up.code !== 0) throw new Error(up.stderr)
      return dir
    },
  }
}

/** One more series that cannot be registered, since an example may drop the one before. */
async function addRefused(grid: Grid): Promise<void> {
  const name = `refused-${randomUUID()}`
  await addSeries(join(grid.dir, 'source'), name, {
    attributes: (k) => ({ ImagePositionPatient: [0, 0, [0, 2, 4, 11][k]!] }),
  })
  await grid.ok('admin', ['register'])
}

/** One more series that a person must look at. */
async function addHeld(grid: Grid): Promise<void> {
  const attributes = () => ({ BurnedInAnnotation: 'YES' })
  await addSeries(join(grid.dir, 'source'), `held-${randomUUID()}`, { attributes })
  await grid.ok('admin', ['register'])
}

async function heldId(grid: Grid): Promise<string> {
  const { stdout } = await grid.ok('admin', ['quarantine', 'ls', '--code', 'MDM_PRIVACY_HELD', '--ids'])
  return stdout.split('\n')[0]!
}

/** Examples may change the configuration, so each has its own. */
async function copyOfAdmin(grid: Grid, scratch: string): Promise<string> {
  const from = dirname(grid.users.admin.config)
  const to = join(scratch, '.admin')
  await cp(from, to, { recursive: true })
  return join(to, grid.users.admin.config.slice(from.length + 1))
}

async function pathWithMdm(grid: Grid): Promise<string> {
  const bin = join(grid.scratch, 'bin')
  await mkdir(bin)
  await symlink(RUN, join(bin, 'mdm'))
  return `${bin}:${dirname(process.execPath)}:${process.env['PATH']}`
}

async function stopDemos(scratch: string): Promise<void> {
  for (const name of await readdir(scratch)) await runMdm(['demo', 'down', '--dir', join(scratch, name)])
}

async function shell(
  command: string,
  o: { cwd: string; env: NodeJS.ProcessEnv },
): Promise<{ code: number; stderr: string }> {
  const running = promisify(execFile)('bash', ['-o', 'pipefail', '-c', command], {
    ...o,
    maxBuffer: 1 << 28,
    encoding: 'buffer',
  })
  running.child.stdin?.end()
  return await running.then(
    () => ({ code: 0, stderr: '' }),
    (error: { code?: number; stderr?: Buffer }) => ({ code: error.code ?? -1, stderr: String(error.stderr) }),
  )
}
