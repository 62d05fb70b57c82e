import { execFile } from 'node:child_process'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** The programs as a user has them. */
export interface Installed {
  /** `mdm` */
  readonly cli: string
  /** `mdm-server` */
  readonly server: string
}

/**
 * Builds the packages, packs them as npm would publish them, and unpacks them below the scratch folder, so that what is
 * measured is dist/ with its list of commands and not the sources. Third-party packages are those of the checkout, which
 * the scratch folder must therefore lie in.
 */
export async function install(root: string, scratch: string): Promise<Installed> {
  const packed = join(scratch, 'packed')
  const scope = join(scratch, 'node_modules', '@mdm')
  await Promise.all([packed, scope].map((folder) => rm(folder, { recursive: true, force: true })))
  await mkdir(packed, { recursive: true })
  await run('npm', ['run', '--silent', 'build'], { cwd: root })
  const workspaces = ['core', 'server', 'cli'].flatMap((name) => ['--workspace', `packages/${name}`])
  // without the scripts: the list of commands must not appear in a checkout that others use meanwhile
  const pack = ['pack', '--silent', '--ignore-scripts', '--pack-destination', packed, ...workspaces]
  await run('npm', pack, { cwd: root })
  for (const archive of await readdir(packed)) {
    const name = /^mdm-([a-z]+)-/.exec(archive)![1]!
    await mkdir(join(scope, name), { recursive: true })
    await run('tar', ['-xzf', join(packed, archive), '-C', join(scope, name), '--strip-components=1'])
  }
  const writeManifest = join(root, 'packages', 'cli', 'write-manifest.js')
  await run(process.execPath, [writeManifest, join(scope, 'cli')], { cwd: root })
  return { cli: join(scope, 'cli', 'bin', 'run.js'), server: join(scope, 'server', 'bin', 'run.js') }
}
