// Level 3: find volumes by their metadata, then work on each. Columns you may not read are named, not shown.
import { loadConfig, openSession, openVolume, parseVolumeName, query } from '@mdm/core'

const session = await openSession(await loadConfig())
try {
  const { rows, withheld } = await query(session, process.argv[2] ?? 'modality=MR')
  console.log(`${rows.length} volumes, ${withheld.length} columns withheld`)
  for (const { guid } of rows) {
    const opened = await openVolume(session, parseVolumeName(String(guid)))
    const voxels = await opened.slice(0)
    console.log(`${guid}: the first slice has ${voxels.length} bytes`)
    await opened.close()
  }
} finally {
  await session.close()
}
