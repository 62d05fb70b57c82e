/** One thing of an answer to PROPFIND. */
export interface Resource {
  /** its path, not encoded */
  readonly path: string
  /** of a file; a folder has none */
  readonly file?: { readonly bytes: number; readonly modified: Date; readonly type: string }
}

const HEAD = '<?xml version="1.0" encoding="utf-8"?>\n<D:multistatus xmlns:D="DAV:">'
const TAIL = '</D:multistatus>\n'

/**
 * The body of an answer 207: every property there is, whichever were asked for.
 *
 * @see RFC 4918 sections 9.1, 13, 15
 */
export function multistatus(resources: readonly Resource[]): string {
  return HEAD + resources.map(response).join('') + TAIL
}

/** The same in pieces, one for each page: whoever writes them has no more than one in memory. */
export async function* multistatusOf(
  pages: AsyncIterable<readonly Resource[]>,
): AsyncGenerator<Buffer, void, undefined> {
  yield Buffer.from(HEAD)
  for await (const page of pages) yield Buffer.from(page.map(response).join(''))
  yield Buffer.from(TAIL)
}

function response({ path, file }: Resource): string {
  const properties =
    file === undefined
      ? '<D:resourcetype><D:collection/></D:resourcetype>'
      : '<D:resourcetype/>' +
        `<D:getcontentlength>${file.bytes}</D:getcontentlength>` +
        `<D:getlastmodified>${file.modified.toUTCString()}</D:getlastmodified>` +
        `<D:getcontenttype>${file.type}</D:getcontenttype>`
  const href = encodeURI(path).replaceAll('&', '&amp;').replaceAll("'", '&apos;')
  return (
    `<D:response><D:href>${href}</D:href>` +
    `<D:propstat><D:prop>${properties}</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>`
  )
}
