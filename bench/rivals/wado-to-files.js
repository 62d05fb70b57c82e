// What a good engineer writes to get a series by WADO-RS into files for dcm2niix: one request, the multipart body cut as
// it streams, each part written while the next one comes. Plain JavaScript, so that nothing is paid for types.
// node wado-to-files.js SERIES_URL FOLDER      (PS3.18 10.4; RFC 2046 5.1)
import { open } from 'node:fs/promises'
import { get } from 'node:http'
import { join } from 'node:path'

const [url, folder] = process.argv.slice(2)
const headers = { accept: 'multipart/related; type="application/dicom"; transfer-syntax=*' }
const response = await new Promise((resolve, reject) => get(url, { headers }, resolve).once('error', reject))
if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`)
const boundary = /boundary="?([^";]+)"?/.exec(response.headers['content-type'])[1]
const delimiter = Buffer.from(`\r\n--${boundary}`)
const BLANK = Buffer.from('\r\n\r\n')

let count = 0
const writes = []
/** Chunks of the part under way; what may be the beginning of a delimiter stays in `rest`. */
let part = []
let inHead = true
let rest = Buffer.from('\r\n')

for await (const chunk of response) {
  rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
  for (;;) {
    if (inHead) {
      const end = rest.indexOf(BLANK)
      if (end < 0) break
      rest = rest.subarray(end + BLANK.length)
      inHead = false
    }
    const at = rest.indexOf(delimiter)
    if (at < 0) {
      const safe = rest.length - delimiter.length
      if (safe > 0) {
        part.push(rest.subarray(0, safe))
        rest = rest.subarray(safe)
      }
      break
    }
    part.push(rest.subarray(0, at))
    writes.push(write(part, count++))
    part = []
    rest = rest.subarray(at + delimiter.length)
    inHead = true
  }
}
await Promise.all(writes)
console.log(count)

async function write(buffers, number) {
  const file = await open(join(folder, `${String(number).padStart(5, '0')}.dcm`), 'w')
  await file.writev(buffers)
  await file.close()
}
