/** One thing of an answer to PROPFIND. */
export interface Resource {
  /** its path, not encoded */
  readonly path: string
  /** of a file; a folder has none */
  readonly file?: { readonly bytes: number; readonly modified: Date; readonly type: string }
}

/**
 * The body of an answer 207: every property there is, whichever were asked for.
 *
 * @param o `isCut`: the first is a folder that holds more than is listed (RFC 6578 section 3.6 says so in this way)
 * @see RFC 4918 sections 9.1, 13, 15
 */
export function multistatus(resources: readonly Resource[], o: { isCut?: boolean } = {}): string {
  const responses = resources.map(({ path, file }) => {
    const properties =
      file === undefined
        ? '<D:resourcetype><D:collection/></D:resourcetype>'
        : '<D:resourcetype/>' +
          `<D:getcontentlength>${file.bytes}</D:getcontentlength>` +
          `<D:getlastmodified>${file.modified.toUTCString()}</D:getlastmodified>` +
          `<D:getcontenttype>${file.type}</D:getcontenttype>`
    return response(
      path,
      `<D:propstat><D:prop>${properties}</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>`,
    )
  })
  const cut =
    o.isCut === true
      ? response(
          resources[0]!.path,
          '<D:status>HTTP/1.1 507 Insufficient Storage</D:status>' +
            '<D:error><D:number-of-matches-within-limits/></D:error>',
        )
      : ''
  return `<?xml version="1.0" encoding="utf-8"?>\n<D:multistatus xmlns:D="DAV:">${responses.join('')}${cut}</D:multistatus>\n`
}

function response(path: string, content: string): string {
  const href = encodeURI(path).replaceAll('&', '&amp;').replaceAll("'", '&apos;')
  return `<D:response><D:href>${href}</D:href>${content}</D:response>`
}
