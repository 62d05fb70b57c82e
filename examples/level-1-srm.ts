// Level 1 as any grid program has it: a SURL is prepared by the SRM service it names, fetched over https, and let go.
import { loadConfig, openStorage, parseSurl, saveStored } from '@mdm/core'

const [surl = '', path = ''] = process.argv.slice(2)
const storage = await openStorage(await loadConfig())
try {
  const { bytes, guid } = await saveStored(storage, parseSurl(surl), { path })
  console.log(`${bytes} bytes of ${guid === undefined ? 'a file' : `ciphertext of ${guid}`}`)
} finally {
  await storage.close()
}
