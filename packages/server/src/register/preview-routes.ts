import type { TrustedRoster } from '@mdm/core/identity/roster'
import { administersSite } from '@mdm/core/acl/evaluate'
import { MdmError } from '@mdm/core/errors'
import { postDeidPreview, type DeidQuestion } from '@mdm/core/wire/deid'
import type { Audit } from '../audit/audit.ts'
import type { DicomSource, SeriesRef } from '../dicom/source.ts'
import type { App } from '../http/app.ts'
import { route } from '../http/route.ts'
import { namedSeries } from './named-series.ts'
import { seriesFilter } from './series-filter.ts'
import { seriesPreview, type PreviewOptions } from './series-preview.ts'
import { bringUpToDate } from './source-job.ts'

/** `mdm deid preview`: patient data for who registers it, so each look is in the audit log before the answer. */
export function previewRoutes(
  app: App,
  o: PreviewOptions & {
    sources: ReadonlyMap<string, DicomSource>
    roster: () => TrustedRoster
    audit: Audit
  },
): void {
  route(app, postDeidPreview, async ({ body, caller, requestId, signal }) => {
    // The same for every other caller, whatever is asked for.
    if (!administersSite(caller, o.roster()))
      throw new MdmError(
        'MDM_DENIED',
        'only an administrator of the site may see what would leave of a series',
      )
    const { source, ref } = await seriesMeant(o, body, signal)
    const preview = await seriesPreview(o, { source, ref, signal })
    const { dn, issuer, spki } = caller
    await o.audit.record({
      event: 'series-previewed',
      outcome: 'done',
      ...{ caller: { dn, issuer, spki }, requestId },
      facts: {
        ...{ source: source.name, series: preview.series, objects: preview.objects },
        ...(body.quarantine === undefined ? {} : { quarantine: body.quarantine }),
      },
    })
    return preview
  })
}

/** @throws MDM_USAGE unless it is one, MDM_NOT_FOUND */
async function seriesMeant(
  { db, sources }: PreviewOptions & { sources: ReadonlyMap<string, DicomSource> },
  { quarantine, series, source: name, where }: DeidQuestion,
  signal: AbortSignal,
): Promise<{ source: DicomSource; ref: SeriesRef }> {
  const ways = [quarantine, series, where].filter((way) => way !== undefined)
  if (ways.length !== 1)
    throw new MdmError('MDM_USAGE', 'one series is meant: by a row, by its handle, or by an expression')
  if (where !== undefined) {
    const source =
      sources.get(name ?? '') ??
      (name === undefined && sources.size === 1 ? [...sources.values()][0] : undefined)
    if (source === undefined) throw new MdmError('MDM_USAGE', 'the site has no source of this name')
    const found = await source.series({ filter: seriesFilter(where), signal })
    if (found.length !== 1)
      throw new MdmError('MDM_USAGE', `${found.length} series are meant, where it must be one`)
    return { source, ref: found[0]! }
  }
  const named = await namedSeries(db, {
    ...(quarantine === undefined ? {} : { quarantine: [quarantine] }),
    ...(series === undefined ? {} : { series: [series] }),
  })
  const [found] = named?.found ?? []
  const source = sources.get(found?.source ?? '')
  if (found === undefined || source === undefined)
    throw new MdmError('MDM_NOT_FOUND', 'the site knows no such series')
  await bringUpToDate(source, [found.ref], signal)
  return { source, ref: found.ref }
}
