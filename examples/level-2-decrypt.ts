// Level 2: read voxels. Only the frames that hold them are fetched, and nothing readable touches the disk.
import { loadConfig, openSession, openVolume, parseVolumeName } from '@mdm/core'

const session = await openSession(await loadConfig())
try {
  const opened = await openVolume(session, parseVolumeName(process.argv[2] ?? ''))
  const { columns, rows, slices, type } = opened.volume
  console.log(`${columns} x ${rows} x ${slices} voxels of ${type}`)

  const middle = await opened.slice(Math.floor(slices / 2))
  console.log(`the middle slice has ${middle.length} bytes`)

  let bytes = 0
  for await (const chunk of opened.stream()) bytes += chunk.length
  console.log(`the whole volume has ${bytes - opened.headerBytes} bytes of voxels`)
  await opened.close()
} finally {
  await session.close()
}
