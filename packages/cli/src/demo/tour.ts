import { spawn } from 'node:child_process'
import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { MdmError } from '@mdm/core/errors'
import { demoUp } from './up.ts'
import type { DemoGrid } from './grid-file.ts'
import { stopServers } from './stop-servers.ts'

/** One command of the tour, as a user would type it. */
export interface TourStep {
  readonly user: string
  readonly command: string
  readonly exitCode: number
  readonly ms: number
}

export interface TourOptions {
  readonly signal: AbortSignal
  /** takes the story, text with line ends */
  readonly say: (text: string) => void
  /** draws the middle slice of an NRRD file */
  readonly draw: (nrrd: Buffer) => Promise<string>
}

interface Asked {
  /** exit code that the story is about; another one ends the tour */
  readonly expect?: number
}

/**
 * Walks through a whole grid in a temporary folder and removes it again, whatever happens.
 *
 * @returns the commands that ran
 * @throws MDM_INTERNAL when a command ends otherwise than the story says
 */
export async function tour(o: TourOptions): Promise<TourStep[]> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'mdm-demo-')))
  const dir = join(folder, 'grid')
  try {
    o.say(
      '\nA grid on this machine: a CA, three key servers (two rebuild a key), a hospital site, five users.\n\n',
    )
    o.say('  $ mdm demo up --dir grid\n')
    const grid = await demoUp(dir, { keyServers: 3, threshold: 2, signal: o.signal })
    o.say(
      `  the site listens on ${grid.site.api}, the key servers on ${grid.keyServers.map((k) => k.url).join(', ')}\n`,
    )
    return await story(new Narrator(grid, folder, o), grid, o)
  } finally {
    await stopServers(dir)
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    o.say('\nAll servers are stopped and the folder is removed.\n')
  }
}

async function story(narrator: Narrator, grid: DemoGrid, o: TourOptions): Promise<TourStep[]> {
  const { physician, scientist, backup } = grid.users
  narrator.chapter(
    'The administrator registers what the hospital’s DICOM folder holds. Images stay where they are.',
  )
  await narrator.run('admin', ['register'])
  narrator.chapter('What is there? The catalog, and a query on the metadata.')
  await narrator.run('admin', ['ls'])
  const mr = (await narrator.run('admin', ['query', 'modality=MR', '--format', 'guids']))
    .trim()
    .split('\n')[0]!
  const ct = (await narrator.run('admin', ['query', 'modality=CT', '--format', 'guids']))
    .trim()
    .split('\n')[0]!
  narrator.chapter('Three users get three presets. Each grant is signed by the administrator’s own key.')
  await narrator.run('admin', ['acl', 'grant', ct, mr, '--to', physician!.dn, '--preset', 'clinical'])
  await narrator.run('admin', ['acl', 'grant', ct, mr, '--to', scientist!.dn, '--preset', 'process'])
  await narrator.run('admin', ['acl', 'grant', ct, mr, '--to', backup!.dn, '--preset', 'replicate'])
  narrator.chapter(
    'Level 1: a backup copies the container. It is ciphertext, and no key server gives backup a share.',
  )
  await narrator.run('backup', ['get', ct, '--level', 'raw', '-o', 'ct.mdm'])
  await narrator.run('backup', ['decrypt', 'ct.mdm', '-o', 'ct.nrrd'], { expect: 3 })
  narrator.chapter(
    'Level 2: the scientist gets voxels, decrypted in memory, and sees where the time went (Figure 4).',
  )
  await narrator.run('scientist', ['get', mr, '-o', 'mr.nrrd', '--timings'])
  o.say(`\n${await o.draw(await readFile(narrator.file('mr.nrrd')))}`)
  await narrator.run('scientist', ['get', ct, '-o', 'ct.nrrd'])
  o.say(`\n${await o.draw(await readFile(narrator.file('ct.nrrd')))}`)
  await narrator.run('scientist', ['get', ct, '--slices', '30-33', '-o', 'part.nii'])
  narrator.chapter('Level 3: the physician reads the patient’s metadata; from the scientist it is withheld.')
  const columns = ['--columns', 'patient_name,birth_date,modality,body_part,columns,rows,slices']
  await narrator.run('physician', ['query', 'modality=CT', ...columns])
  await narrator.run('scientist', ['query', 'modality=CT', ...columns])
  narrator.chapter('The stranger learns nothing, not even that the volume exists.')
  await narrator.run('stranger', ['get', ct], { expect: 3 })
  await narrator.run('stranger', ['get', '00000000-0000-4000-8000-000000000000'], { expect: 3 })
  return narrator.steps
}

/** Types each command, runs it as a process of its own, and keeps count. */
class Narrator {
  readonly steps: TourStep[] = []
  readonly #grid: DemoGrid
  readonly #folder: string
  readonly #o: TourOptions

  constructor(grid: DemoGrid, folder: string, o: TourOptions) {
    this.#grid = grid
    this.#folder = folder
    this.#o = o
  }

  file(name: string): string {
    return join(this.#folder, name)
  }

  chapter(title: string): void {
    this.#o.say(`\n${title}\n`)
  }

  /** @returns what the command printed on stdout */
  async run(user: string, args: readonly string[], { expect = 0 }: Asked = {}): Promise<string> {
    this.#o.signal.throwIfAborted()
    const command = ['mdm', ...args.map(quoted)].join(' ')
    this.#o.say(`\n  ${user}$ ${command}\n`)
    const begun = performance.now()
    const child = spawn(
      process.execPath,
      [fileURLToPath(new URL('../../bin/run.js', import.meta.url)), ...args],
      {
        cwd: this.#folder,
        env: { ...process.env, MDM_CONFIG: this.#grid.users[user]!.config },
        stdio: ['ignore', 'pipe', 'pipe'],
        signal: this.#o.signal,
      },
    )
    const ended = new Promise<number | null>((resolve, reject) =>
      child.once('close', resolve).once('error', reject),
    )
    const [stdout, stderr, exitCode] = await Promise.all([text(child.stdout), text(child.stderr), ended])
    this.#o.say(indented(stdout + stderr))
    this.steps.push({ user, command, exitCode: exitCode ?? 1, ms: Math.round(performance.now() - begun) })
    if (exitCode === expect) {
      if (expect > 0) this.#o.say(`  (exit code ${expect}, as it should be)\n`)
      return stdout
    }
    throw new MdmError(
      'MDM_INTERNAL',
      `the tour’s command "mdm ${args[0]}" ended with ${exitCode} instead of ${expect}`,
    )
  }
}

function indented(output: string): string {
  return output.replace(/^(?=.)/gm, '  ')
}

/** As a shell would need it. */
function quoted(arg: string): string {
  return /^[A-Za-z0-9_./:@%+,-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", "'\\''")}'`
}
