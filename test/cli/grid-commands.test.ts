import { createHash } from 'node:crypto'
import { mkdir, readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { startGrid } from '../fixtures/grid.ts'
import { startKeyServer } from '../fixtures/site-process.ts'

const INVENTED = '3f2504e0-4f89-41d3-9a0c-0305e82c3301'
const sha256 = async (file: string) =>
  createHash('sha256')
    .update(await readFile(file))
    .digest('hex')

t.test('the commands over one grid, in the shapes docs/cli.md promises', async (t) => {
  const grid = await startGrid(t)
  const at = (name: string) => join(grid.scratch, name)

  await t.test(
    'registration waits for a key server that is down, says which, and goes on by itself',
    async (t) => {
      const server = grid.keyServers[0]!
      process.kill(server.pid, 'SIGTERM')
      const waiting = await grid.mdm('admin', ['register', '--json'])
      t.equal(waiting.code, 10)
      t.match(waiting.json.error, { code: 'MDM_WAITING', message: /key server [0-9a-f]{12}/ })
      t.strictSame((await grid.ok('admin', ['ls', '--json'])).json, { rows: [] }, 'nothing is visible')
      await startKeyServer(server)
      for (let i = 0; i < 100 && (await grid.ok('admin', ['ls', '--json'])).json.rows.length < 2; i++)
        continue
      const { json } = await grid.ok('admin', ['register', '--json'])
      t.strictSame(json.registered, [])
      t.equal(json.already.length, 2)
    },
  )

  const rows = (await grid.ok('admin', ['ls', '--json'])).json.rows
  const { guid, lfn, surl } = rows.find((r: { modality: string }) => r.modality === 'MR')
  const other = rows.find((r: { modality: string }) => r.modality === 'CT').guid

  await t.test(
    'a grant on several volumes from stdin, shown to the administrator and to nobody else',
    async (t) => {
      const grant = await grid.ok(
        'admin',
        ['acl', 'grant', '--to', grid.users.scientist.dn, '--preset', 'process', '--expires', '1d', '--json'],
        {
          input: `${guid}\n${lfn}\n# ${other}\n`,
        },
      )
      t.strictSame(
        grant.json.grants.map((g: { guid: string }) => g.guid),
        [guid, guid],
        'GUID and LFN are one volume',
      )
      const shown = await grid.ok('admin', ['acl', 'show', lfn, '--json'])
      t.equal(shown.json.guid, guid)
      const key = shown.json.lists.find((l: { object: string }) => l.object === 'key')
      const entry = key.entries.find(
        (e: { to: { dn?: string }; expires?: string }) => e.expires !== undefined,
      )
      t.match(entry, { to: { kind: 'user' }, rights: ['read'], versions: [1] })
      t.match(
        (await grid.ok('admin', ['acl', 'show', guid])).stdout,
        /^list +who +rights +versions +expires\n/,
      )
      t.equal((await grid.mdm('scientist', ['acl', 'show', guid, '--json'])).code, 4)
      t.equal((await grid.mdm('stranger', ['acl', 'show', guid, '--json'])).code, 3)
      t.equal(
        (
          await grid.mdm('scientist', [
            'acl',
            'grant',
            guid,
            '--to',
            grid.users.stranger.dn,
            '--preset',
            'process',
            '--json',
          ])
        ).code,
        4,
      )
    },
  )

  await t.test(
    'get by GUID, LFN and SURL gives one plaintext; what --json says of the file is true',
    async (t) => {
      const digests = new Set<string>()
      for (const [i, name] of [guid, lfn, surl, `${guid}@1`].entries()) {
        const { json, stderr } = await grid.ok('scientist', ['get', name, '-o', at(`${i}.nii`), '--json'])
        t.equal(stderr, '')
        const [file] = json.files
        t.match(file, { guid, version: 1, path: at(`${i}.nii`), resumedFrom: 0 })
        t.equal(file.sha256, await sha256(at(`${i}.nii`)))
        t.equal(file.bytes, (await readFile(at(`${i}.nii`))).length)
        const { timings } = file
        const sum = timings.rows.reduce(
          (s: number, r: { percent: number }) => s + r.percent,
          timings.overlapped.percent + timings.other.percent,
        )
        t.equal(Math.round(sum * 1000), 100_000, 'percentages sum to 100')
        digests.add(file.sha256)
      }
      t.equal(digests.size, 1)
    },
  )

  await t.test('stdout gets the volume alone, and the same bytes', async (t) => {
    await grid.ok('scientist', ['get', guid, '-o', at('file.nrrd')])
    const { stdout } = await grid.ok('scientist', ['get', guid, '-o', '-'])
    t.match(stdout, /^NRRD0004\n/)
    const text = await readFile(at('file.nrrd'), 'utf8')
    t.equal(stdout, text)
    t.equal((await grid.mdm('scientist', ['get', guid, '-o', '-', '--json'])).json.error.code, 'MDM_USAGE')
  })

  await t.test(
    'several volumes of which some fail: the rest is there, each failure is listed, exit code 10',
    async (t) => {
      await mkdir(at('several'))
      const run = await grid.mdm('scientist', [
        'get',
        guid,
        INVENTED,
        other,
        '-o',
        at('several'),
        '--format',
        'nifti',
        '--json',
      ])
      t.equal(run.code, 10)
      t.strictSame(
        run.json.files.map((f: { path: string }) => f.path),
        [join(at('several'), `${guid}.nii`)],
      )
      t.match(run.json.errors, [
        { name: INVENTED, code: 'MDM_NOT_FOUND', message: /./, next: /./ },
        { name: other, code: 'MDM_NOT_FOUND' },
      ])
      t.strictSame(await readdir(at('several')), [`${guid}.nii`], 'no other file, no .part')
      const all = await grid.mdm('scientist', ['get', INVENTED, other, '-o', at('several'), '--json'])
      t.equal(all.code, 3, 'all failed alike')
      t.equal(all.json.error.code, 'MDM_NOT_FOUND')
      const plain = await grid.mdm('scientist', ['get', guid, INVENTED, '-o', at('several')])
      t.equal(plain.code, 10)
      t.equal(plain.stdout, `${join(at('several'), `${guid}.nii`).replace('.nii', '.nrrd')}\n`)
      t.match(plain.stderr, new RegExp(`error: ${INVENTED}: .*\n code: MDM_NOT_FOUND\n next: `))
    },
  )

  await t.test(
    'raw, then decrypt elsewhere, is the same volume as get; a folder takes names from containers',
    async (t) => {
      await grid.ok('scientist', ['get', guid, '--level', 'raw', '-o', at('copy.mdm')])
      const { json } = await grid.ok('scientist', [
        'decrypt',
        at('copy.mdm'),
        '-o',
        `${at('opened')}/`,
        '--format',
        'nifti',
        '--json',
      ])
      t.equal(json.files[0].path, join(at('opened'), 'copy.nii'))
      t.equal(await sha256(join(at('opened'), 'copy.nii')), await sha256(at('0.nii')))
      await grid.ok('scientist', ['decrypt', at('copy.mdm'), '--slices', '3-5', '-o', at('a.nrrd')])
      await grid.ok('scientist', ['get', guid, '--slices', '3-5', '-o', at('b.nrrd')])
      t.equal(await sha256(at('a.nrrd')), await sha256(at('b.nrrd')), 'slices too')
      const outside = await grid.mdm('scientist', [
        'get',
        guid,
        '--slices',
        '3-5000',
        '-o',
        at('c.nrrd'),
        '--json',
      ])
      t.match(outside, { code: 2, json: { error: { code: 'MDM_RANGE' } } })
      t.notOk(
        (await readdir(grid.scratch)).some((name) => /^\.?c\.nrrd/.test(name)),
        'nothing is left',
      )
      t.match(
        (await grid.mdm('scientist', ['decrypt', at('a.nrrd'), '-o', at('d.nii'), '--json'])).json.error,
        { code: 'MDM_CONTAINER' },
      )
      t.match(
        (await grid.mdm('scientist', ['decrypt', at('nothing.mdm'), '-o', at('d.nii'), '--json'])).code,
        2,
      )
    },
  )

  await t.test(
    'a query in a shell’s words: formats, columns, and one answer for forbidden and unknown',
    async (t) => {
      t.equal(
        (await grid.ok('scientist', ['query', 'modality=MR', 'and', 'rows>=1', '--format', 'guids'])).stdout,
        `${guid}\n`,
      )
      t.equal(
        (
          await grid.ok('scientist', [
            'query',
            'modality=MR',
            '--format',
            'csv',
            '--columns',
            'modality,guid',
          ])
        ).stdout,
        `modality,guid\r\nMR,${guid}\r\n`,
      )
      const json = (await grid.ok('scientist', ['query', 'modality=MR', '--format', 'json'])).json
      t.strictSame(json, (await grid.ok('scientist', ['query', 'modality=MR', '--json'])).json)
      t.ok(json.withheld.length > 0)
      const [forbidden, unknown] = await Promise.all([
        grid.mdm('scientist', ['query', "patient_name='DOE^JANE'", '--json']),
        grid.mdm('scientist', ['query', "nonsense_col='DOE^JANE'", '--json']),
      ])
      t.equal(forbidden.code, 2)
      const { requestId, ...refusal } = forbidden.json.error
      t.match(requestId, /^[0-9a-f]{32}$/)
      const other = JSON.parse(JSON.stringify(unknown.json.error).replaceAll('nonsense_col', 'patient_name'))
      t.strictSame({ ...other, requestId }, { ...refusal, requestId }, 'but for the number of the request')
    },
  )

  await t.test('a revocation holds from the next request on', async (t) => {
    const { json } = await grid.ok('admin', [
      'acl',
      'revoke',
      guid,
      '--from',
      grid.users.scientist.dn,
      '--json',
    ])
    t.ok(json.revocations[0].changed.some((c: { object: string }) => c.object === 'key'))
    const gone = await grid.mdm('scientist', ['get', guid, '-o', at('late.nii'), '--json'])
    t.equal(gone.code, 3)
    t.notOk((await readdir(grid.scratch)).some((name) => name.includes('late')))
    t.match(
      (await grid.ok('admin', ['acl', 'revoke', guid, '--from', grid.users.scientist.dn])).stdout,
      /nothing to take/,
    )
  })
})
