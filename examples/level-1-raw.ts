// Level 1: fetch the container of a volume. The right to the file is enough; what arrives is ciphertext.
import { createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { getRaw, loadConfig, openSession, parseVolumeName } from '@mdm/core'

const [name = '', file = ''] = process.argv.slice(2)
const session = await openSession(await loadConfig())
try {
  const container = await getRaw(session, parseVolumeName(name))
  await pipeline(container.body, createWriteStream(file, { mode: 0o600 }))
  console.log(`${container.bytes} bytes of ciphertext of ${container.guid}@${container.version}`)
} finally {
  await session.close()
}
