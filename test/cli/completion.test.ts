import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { cliCommands } from '../fixtures/cli-commands.ts'
import { runMdm } from '../fixtures/grid.ts'

const scripts = Object.fromEntries(
  await Promise.all(
    ['bash', 'zsh', 'fish'].map(
      async (shell) => [shell, (await runMdm(['completion', shell])).stdout] as const,
    ),
  ),
)

/** What bash offers at a Tab behind each of these lines. */
function offered(t: Test, lines: readonly string[]): string[][] {
  const dir = t.testdir({ 'a scan.mdm': '', 'b.nii': '' })
  mkdirSync(join(dir, 'volumes'))
  writeFileSync(join(dir, 'mdm.bash'), scripts['bash']!)
  const asked = lines.map((line) => {
    const words = line.split(' ').map((word) => `'${word}'`)
    return `COMP_WORDS=(${words.join(' ')}); COMP_CWORD=${words.length - 1}; _mdm; printf '%s|' "\${COMPREPLY[@]}"; echo`
  })
  const { stdout, stderr } = spawnSync('bash', ['-c', `. ./mdm.bash\n${asked.join('\n')}`], {
    cwd: dir,
    encoding: 'utf8',
  })
  t.equal(stderr, '')
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.split('|').filter((word) => word !== ''))
}

t.test('each script is one that its shell can read', async (t) => {
  const dir = t.testdir(scripts)
  for (const shell of Object.keys(scripts)) {
    const { error, status, stderr } = spawnSync(shell, ['-n', join(dir, shell)], { encoding: 'utf8' })
    if (error !== undefined) t.pass(`skipped: no ${shell} here`)
    else t.equal(status, 0, `${shell}: ${stderr}`)
  }
})

t.test('bash offers every command, and every flag of each', async (t) => {
  const commands = await cliCommands()
  const lines = commands.flatMap(({ id }) => [`mdm ${id.slice(0, -1)}`, `mdm ${id} -`])
  const answers = offered(t, lines)
  for (const [i, { id, flags }] of commands.entries()) {
    t.ok(answers[2 * i]!.includes(id.split(' ').at(-1)!), `mdm ${id}`)
    for (const { name } of flags) t.ok(answers[2 * i + 1]!.includes(`--${name}`), `mdm ${id} --${name}`)
  }
})

t.test('values of flags, words of topics and files are offered; GUIDs are not', async (t) => {
  const [topics, formats, levels, presets, shells, files, output, config, guids, after, nothing] = offered(
    t,
    [
      'mdm a',
      'mdm get --format n',
      'mdm get 3f2504e0-4f89-41d3-9a0c-0305e82c3301 --level ',
      'mdm acl grant --preset ',
      'mdm completion ',
      'mdm decrypt ',
      'mdm get -o v',
      'mdm ls --config b',
      'mdm get ',
      'mdm acl grant --to CN=x --pre',
      'mdm nonsense x',
    ],
  ) as string[][]
  t.strictSame(topics, ['acl'])
  t.strictSame(formats, ['nrrd', 'nifti', 'nifti-gz'])
  t.strictSame(levels, ['raw', 'decrypt'])
  t.strictSame(presets, ['replicate', 'process', 'research', 'clinical', 'admin'])
  t.strictSame(shells, ['bash', 'zsh', 'fish'])
  t.ok(files!.includes('a scan.mdm') && files!.includes('b.nii'), 'a name with a space stays whole')
  t.strictSame(output, ['volumes'])
  t.strictSame(config, ['b.nii'])
  t.strictSame(guids, [])
  t.strictSame(after, ['--preset'])
  t.strictSame(nothing, [])
})

t.test('zsh and fish are told of the same commands and flags', async (t) => {
  for (const { id, flags } of await cliCommands()) {
    const zsh = scripts['zsh']!.split('\n').filter((line) => line.trim().startsWith(`'${id}') offers=`))
    const fish = scripts['fish']!.split('\n').filter((line) => line.includes(`= \\'${id}\\''`))
    for (const { name } of flags) {
      t.ok(
        zsh.some((line) => line.includes(`'--${name}:`)),
        `zsh: ${id} --${name}`,
      )
      t.ok(
        fish.some((line) => line.includes(` -l ${name} `)),
        `fish: ${id} --${name}`,
      )
    }
  }
})

t.test('another shell is a usage error that names the three', async (t) => {
  const { code, json } = await runMdm(['completion', 'csh', '--json'])
  t.equal(code, 2)
  t.match(json.error, { code: 'MDM_USAGE', message: /bash, zsh, fish/ })
})
