import { mkdir, open, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { gunzipSync } from 'node:zlib'
import { FORMAT_NAMES, EXTENSIONS } from '@mdm/core/volume/formats/names'
import { FORMATS } from '@mdm/core/volume/formats/index'
import { startGrid } from '../fixtures/grid.ts'
import { gone, startKeyServer, startSite } from '../fixtures/site-process.ts'

t.setTimeout(240_000)

const INVENTED = '3f2504e0-4f89-41d3-9a0c-0305e82c3301'

t.test('every format has an ending and a writer', async (t) => {
  t.strictSame(Object.keys(FORMATS), FORMAT_NAMES)
  t.equal(new Set(Object.values(EXTENSIONS)).size, FORMAT_NAMES.length)
})

t.test('what can be looked at without fetching, over one grid', async (t) => {
  const grid = await startGrid(t)
  const at = (name: string) => join(grid.scratch, name)
  const { registered } = (await grid.ok('admin', ['register', '--json'])).json
  const { guid, lfn } = registered.find((v: { modality: string }) => v.modality === 'MR')
  const other = registered.find((v: { modality: string }) => v.modality === 'CT').guid
  await grid.ok('admin', ['acl', 'grant', guid, '--to', grid.users.scientist.dn, '--preset', 'process'])
  await grid.ok('admin', ['acl', 'grant', guid, '--to', grid.users.backup.dn, '--preset', 'replicate'])
  const copy = at('copy.mdm')
  const raw = (await grid.ok('backup', ['get', guid, '--level', 'raw', '-o', copy, '--json'])).json.files[0]

  await t.test('stat shows the catalog row, and of it what each may know', async (t) => {
    const nrrd = (await grid.ok('scientist', ['get', guid, '-o', at('a.nrrd'), '--json'])).json.files[0]
    const [volume] = (await grid.ok('scientist', ['stat', lfn, '--json'])).json.volumes
    t.match(volume, {
      guid,
      version: 1,
      latest: 1,
      lfn,
      bytes: raw.bytes,
      modality: 'MR',
      shape: [96, 96, 48],
    })
    t.strictSame(volume.replicas, [volume.surl])
    t.equal(volume.plaintextSha256, nrrd.sha256, 'the digest of the NRRD, which is the plaintext')
    const [seen] = (await grid.ok('backup', ['stat', guid, '--json'])).json.volumes
    t.strictSame(
      Object.keys(seen),
      ['guid', 'version', 'lfn', 'surl', 'bytes', 'registered', 'latest', 'replicas'],
      'a backup is told neither digest nor shape',
    )
    t.equal((await grid.mdm('stranger', ['stat', guid])).code, 3)
    const text = await grid.ok('scientist', ['stat', guid])
    t.match(text.stdout, new RegExp(`^GUID +${guid}\nversion +1\nLFN +/demo/`))
    t.match(text.stdout, `SHA-256 of the plaintext  ${nrrd.sha256}\n`)
  })

  await t.test('stat takes names from stdin, and goes on behind one that fails', async (t) => {
    const run = await grid.mdm('admin', ['stat', '--json'], { input: `${guid} ${INVENTED}\n${other} # CT\n` })
    t.equal(run.code, 10)
    t.strictSame(
      run.json.volumes.map((v: { guid: string }) => v.guid),
      [guid, other],
    )
    t.match(run.json.errors, [{ name: INVENTED, code: 'MDM_NOT_FOUND' }])
  })

  await t.test('inspect reads the header without key, configuration or network', async (t) => {
    const elsewhere = { config: '/no/such/config' }
    const { runMdm } = await import('../fixtures/grid.ts')
    const seen = await runMdm(['inspect', copy, '--json'], elsewhere)
    t.equal(seen.code, 0, seen.stderr)
    t.match(seen.json, {
      ...{ path: copy, formatVersion: 2, suite: '0x0478', guid, version: 1, site: 'demo', profile: '113100' },
      ...{ expectedBytes: raw.bytes, actualBytes: raw.bytes, state: 'whole', verified: false },
      kid: /^[0-9a-f]{32}$/,
      messageId: /^[\w-]{43}$/,
    })
    t.equal(seen.json.frames, Math.ceil(seen.json.plaintextBytes / 65_536))
    const words = await runMdm(['inspect', copy], elsewhere)
    t.match(words.stderr, /nothing of this is verified/)
    t.match(words.stdout, `whole: ${raw.bytes} of ${raw.bytes} bytes`)

    const stdin = await grid.mdm('backup', ['inspect', '-', '--json'], { input: '' })
    t.match(stdin.json.error, { code: 'MDM_CONTAINER' })
    t.equal(stdin.code, 7)
    const bytes = await readFile(copy)
    await writeFile(at('long.mdm'), Buffer.concat([bytes, Buffer.alloc(1)]))
    await writeFile(at('cut.mdm'), bytes)
    await truncate(at('cut.mdm'), raw.bytes - 1)
    for (const [file, state] of [
      ['long.mdm', 'too long'],
      ['cut.mdm', 'cut'],
    ] as const) {
      const run = await runMdm(['inspect', at(file), '--json'], elsewhere)
      t.match([run.code, run.json.state], [7, state])
    }
    await writeFile(at('no.mdm'), Buffer.alloc(5000))
    for (const [file, code] of [
      ['no.mdm', 7],
      ['a.nrrd', 7],
      ['nothing.mdm', 2],
      ['.', 2],
    ] as const)
      t.equal((await runMdm(['inspect', at(file)], elsewhere)).code, code, file)
  })

  await t.test('key status says which servers would help, and never shows a share', async (t) => {
    const mine = await grid.ok('scientist', ['key', 'status', lfn, '--json'])
    const [key] = mine.json.keys
    t.match(key, { guid, version: 1, threshold: 2, shares: 3, mayFail: 1 })
    t.strictSame(
      key.servers.map((s: { share: string }) => s.share),
      ['yes', 'yes', 'yes'],
    )
    t.notMatch(mine.stdout, /[A-Za-z0-9+/=]{100}/, 'nothing as long as a share')
    const words = await grid.ok('scientist', ['key', 'status', guid])
    t.match(words.stdout, '3 of 3 shares, 2 are needed; 1 more may fail')

    const backup = await grid.mdm('backup', ['key', 'status', guid, '--json'])
    t.match(
      [backup.code, backup.json.keys[0].code],
      [4, 'MDM_DENIED'],
      'let in by the site, not by the key servers',
    )
    const words4 = await grid.mdm('backup', ['key', 'status', guid])
    t.match(words4.stdout, /no share for you here/)
    t.match(words4.stderr, /ask the data administrator for the preset "process"/)
    const [stranger, invented] = await Promise.all(
      [guid, INVENTED].map(async (name) => await grid.mdm('stranger', ['key', 'status', name, '--json'])),
    )
    t.equal(stranger!.code, 3)
    t.equal(
      stranger!.stdout.replaceAll(guid, INVENTED),
      invented!.stdout,
      'a real volume and an invented one look alike',
    )
    t.equal((await grid.mdm('stranger', ['key', 'status', lfn])).code, 3)
    const several = await grid.mdm('scientist', ['key', 'status', '--json'], { input: `${guid}\n${other}\n` })
    t.equal(several.code, 10)
    t.strictSame(
      several.json.keys.map((k: { code?: string }) => k.code),
      [undefined, 'MDM_NOT_FOUND'],
    )
  })

  await t.test('gets write every format, to files and to stdout, whole or in slices', async (t) => {
    await mkdir(at('out'))
    for (const format of FORMAT_NAMES)
      await grid.ok('scientist', ['get', guid, '-o', at('out'), '--format', format, '--slices', '3-4'])
    const nii = await readFile(at(`out/${guid}.nii`))
    t.ok(gunzipSync(await readFile(at(`out/${guid}.nii.gz`))).equals(nii))
    const mha = await readFile(at(`out/${guid}.mha`))
    t.match(mha.subarray(0, 600).toString('latin1'), /\nDimSize = 96 96 2\n/)
    t.ok(mha.subarray(-96 * 96 * 2 * 2).equals(nii.subarray(352)), 'without a rescale the same voxels')
    await grid.ok('scientist', ['decrypt', copy, '-o', at('b.nii.gz')])
    await t.rejects(open(at('b.nii.gz.part')), { code: 'ENOENT' })
    await grid.ok('scientist', ['get', guid, '-o', at('b.nii')])
    t.ok(gunzipSync(await readFile(at('b.nii.gz'))).equals(await readFile(at('b.nii'))))
  })

  await t.test('ping tells who is there; 6 below the threshold, 5 without the site', async (t) => {
    const ping = async () => await grid.mdm('scientist', ['ping', '--json'])
    const all = await ping()
    t.equal(all.code, 0)
    t.equal(all.json.mayFail, 1)
    const state = {
      reachable: true,
      pinned: true,
      ready: true,
      reasons: [],
      ms: Number,
      clockAheadMs: Number,
    }
    t.match(all.json.servers, [
      { ...state, role: 'site', url: grid.site.api },
      ...grid.keyServers.map(({ url }) => ({ ...state, role: 'key server', url })),
    ])
    const [first, second] = grid.keyServers as [{ pid: number; dir: string }, { pid: number; dir: string }]
    process.kill(first.pid, 'SIGTERM')
    await gone(first.pid)
    const one = await ping()
    t.match([one.code, one.json.mayFail], [0, 0], 'two of three are enough')
    t.match(one.json.servers[1], { reachable: false, ms: null, pinned: null, code: 'MDM_UNREACHABLE' })
    process.kill(second.pid, 'SIGTERM')
    await gone(second.pid)
    const two = await ping()
    t.match([two.code, two.json.mayFail], [6, -1])
    const status = await grid.mdm('scientist', ['key', 'status', guid, '--json'])
    t.match([status.code, status.json.keys[0].code], [6, 'MDM_BELOW_THRESHOLD'])
    t.strictSame(
      status.json.keys[0].servers.map((s: { share: string }) => s.share),
      ['unreachable', 'unreachable', 'yes'],
    )
    process.kill(grid.site.pid, 'SIGTERM')
    await gone(grid.site.pid)
    t.equal((await ping()).code, 5)
    await startKeyServer(first)
    const away = await grid.mdm('scientist', ['key', 'status', guid, '--json'])
    t.match([away.code, away.json.keys[0].shares], [0, 2], 'a GUID needs no site')
    await Promise.all([startSite(grid), startKeyServer(second)])
    t.equal((await ping()).code, 0)
  })
})
