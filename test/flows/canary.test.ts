import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import dcmjs from 'dcmjs'
import t from 'tap'
import { startGrid } from '../fixtures/grid.ts'
import { restartSite } from '../fixtures/site-process.ts'

// What a reader thinks of the phantoms is not this test's matter.
dcmjs.log.getLogger('validation.dcmjs').setLevel('silent')

/** Elements that name the patient, staff, place or object (PS3.15 Table E.1-1), by group and element. */
const IDENTIFYING = [
  ...[
    '00080018',
    '0020000D',
    '0020000E',
    '00200052',
    '00080050',
    '00080080',
    '00080081',
    '00080090',
    '00081048',
  ],
  ...[
    '00081050',
    '00081070',
    '00100010',
    '00100020',
    '00100030',
    '00101000',
    '00101040',
    '00200010',
    '00321032',
  ],
]

/** What those elements hold in the files of a folder, read by another parser than the site's. */
async function canaries(source: string): Promise<string[]> {
  const found = new Set<string>()
  for (const entry of await readdir(source, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const file = await readFile(join(entry.parentPath, entry.name))
    const { dict } = dcmjs.data.DicomMessage.readFile(new Uint8Array(file).buffer)
    for (const tag of IDENTIFYING) {
      for (const value of dict[tag]?.Value ?? []) {
        const text = typeof value === 'object' ? String(value.Alphabetic ?? '') : String(value)
        if (text.length >= 5) found.add(text)
      }
    }
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
