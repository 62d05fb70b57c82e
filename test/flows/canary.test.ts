import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import t from 'tap'
import { startGrid } from '../fixtures/grid.ts'
import { restartSite } from '../fixtures/site-process.ts'

/** Every string of the series that names the patient or the objects; read back from the DICOM files themselves. */
async function canaries(source: string): Promise<string[]> {
  const { readHeader } = await import('@mdm/server/dicom/part10/header')
  const found = new Set<string>()
  for (const entry of await readdir(source, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const header = readHeader(await readFile(join(entry.parentPath, entry.name)))
    for (const value of header.identifying()) if (value.length >= 5) found.add(value)
  }
  return [...found]
}

t.test(
  'no name, patient id or UID of a series is in any byte written outside the site database',
  async (t) => {
    const grid = await startGrid(t)
    const planted = await canaries(join(grid.dir, 'source'))
    t.ok(planted.length > 100, `${planted.length} strings are looked for`)
    const registered = (await grid.ok('admin', ['register', '--json'])).json.registered
    const said: string[] = [JSON.stringify(registered)]
    for (const { guid } of registered) {
      await grid.ok('admin', ['acl', 'grant', guid, '--to', grid.users.scientist.dn, '--preset', 'research'])
      for (const format of ['nifti', 'nrrd']) {
        said.push(
          (
            await grid.ok('scientist', [
              'get',
              guid,
              '--format',
              format,
              '-o',
              join(grid.scratch, `${guid}.${format}`),
              '--json',
              '--timings',
            ])
          ).stdout,
        )
      }
      said.push(
        (
          await grid.ok('scientist', [
            'get',
            guid,
            '--level',
            'raw',
            '-o',
            join(grid.scratch, `${guid}.mdm`),
            '--json',
          ])
        ).stdout,
      )
    }
    // Errors are where names slip out: refusals, a query on a withheld column, a source that is gone.
    said.push(
      (await grid.mdm('stranger', ['get', registered[0].guid, '-o', join(grid.scratch, 'x'), '--json']))
        .stdout,
    )
    said.push(
      (await grid.mdm('scientist', ['query', `patient_name="${planted[0]}"`, '--json'])).stdout.replaceAll(
        planted[0]!,
        '',
      ),
    )
    said.push((await grid.ok('scientist', ['query', 'modality=CT', '--json'])).stdout)
    await restartSite(grid)
    said.push((await grid.ok('admin', ['register', '--json'])).stdout)

    const needles = planted.flatMap((p) => [
      p,
      Buffer.from(p, 'utf16le').toString('latin1'),
      Buffer.from(p).toString('base64').replace(/=*$/, '').slice(0, -1),
      Buffer.from(p).toString('hex'),
    ])
    let files = 0
    const check = (where: string, content: string) => {
      for (const needle of needles) if (content.includes(needle)) t.fail(`a planted value is in ${where}`)
    }
    for (const [i, text] of said.entries()) check(`output ${i}`, text)
    for (const entry of await readdir(grid.scratch, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name)
      const name = relative(grid.scratch, path)
      if (name.startsWith('grid/source')) continue
      check(`the name ${name}`, name)
      if (!entry.isFile() || /^grid\/site\/site\.sqlite/.test(name)) continue
      files++
      check(name, (await readFile(path)).toString('latin1'))
    }
    t.ok(files > 20, `${files} files were searched`)
  },
)
