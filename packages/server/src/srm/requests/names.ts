import { decodedPath, pathOf, pathOfSurl, placeOf } from '../namespace.ts'

/** What a name of a file means. Clients write a SURL in full and name it by its short form later, or with other slashes. */
export function meaningOf(surl: string): string {
  const path = pathOfSurl(surl) ?? surl
  const place = placeOf(decodedPath(path))
  return place?.kind === 'volume' ? pathOf(place.name) : path
}

/** The files that are named, by whichever form of their name; all where nothing is named. */
export function filesMeant<F extends { readonly surl: string }>(
  files: readonly F[],
  surls: readonly string[] | undefined,
): F[] {
  if (surls === undefined) return [...files]
  const meant = new Set(surls.map(meaningOf))
  return files.filter(({ surl }) => meant.has(meaningOf(surl)))
}

/** Finds the file that a SURL means: the one that was written so, else the first that was written in another form. */
export function fileFinder<F extends { readonly surl: string }>(
  files: readonly F[],
): (surl: string) => F | undefined {
  const [written, meant] = [new Map<string, F>(), new Map<string, F>()]
  for (const file of files.toReversed()) {
    written.set(file.surl, file)
    meant.set(meaningOf(file.surl), file)
  }
  return (surl) => written.get(surl) ?? meant.get(meaningOf(surl))
}
