import type { VolumeName } from '@mdm/core/names'
import type { Access, ListedVolume, ResolvedVolume } from '../catalog/access.ts'
import { CONTENT_TYPE, containerHeaders, contentReply, type Containers } from '../deliver/content.ts'
import type { Digests } from '../deliver/digests.ts'
import type { Preparation } from '../deliver/preparation.ts'
import type { AnyContext, StreamReply } from '../http/route.ts'
import type { Entries, Entry } from './entries.ts'
import { multistatus, multistatusOf, type Resource } from './multistatus.ts'
import { digestHeader, wantedDigests } from './want-digest.ts'

/** How long a HEAD that asks for a digest waits for the container to be whole, ms. */
const SEALED_WAIT_MS = 120_000

export interface FilesOptions extends Containers {
  readonly access: Pick<Access, 'resolveVolume' | 'requireRight'>
  readonly entries: Pick<Entries, 'stat'>
  readonly digests: Digests
  readonly sealedWaitMs?: number
}

/** A volume as a file of https, whatever the path that leads to it: without `list` MDM_NOT_FOUND, without `read` MDM_DENIED. */
export interface Files {
  /** The container, whole or a part; with a Digest where it is asked for and the container is sealed already. */
  get(c: AnyContext, name: VolumeName): Promise<StreamReply>
  /** The same without the bytes. Nothing is prepared, but where a digest is asked for: that is waited for. */
  head(c: AnyContext, name: VolumeName): Promise<StreamReply>
  /** @param path what the answer calls it */
  properties(c: AnyContext, name: VolumeName, path?: string): Promise<StreamReply>
}

export function openFiles(o: FilesOptions): Files {
  const digestOf = async (
    preparation: Preparation,
    wanted: readonly string[],
  ): Promise<Record<string, string>> =>
    wanted.length === 0 || preparation.state !== 'SEALED'
      ? {}
      : { digest: digestHeader(await o.digests.of(preparation), wanted) }

  const mayRead = async ({ chain }: AnyContext, volume: ListedVolume): Promise<void> => {
    await o.access.requireRight(await o.identify(chain), volume, 'file', 'read')
    await o.catalog.requireThere(volume.guid)
  }

  /** The container once it is whole, with what to do when it is done with; undefined when that takes too long. */
  const whenSealed = async ({ signal, timing }: AnyContext, record: ResolvedVolume['record']) => {
    const late = AbortSignal.timeout(o.sealedWaitMs ?? SEALED_WAIT_MS)
    const either = AbortSignal.any([signal, late])
    try {
      const { preparation, release } = await o.delivery.open(record, { signal: either, timing })
      try {
        await preparation.whenSealed(either)
        return { preparation, release }
      } catch (error) {
        release()
        throw error
      }
    } catch (error) {
      if (error === late.reason) return undefined
      throw error
    }
  }

  return {
    async get(c, name) {
      const volume = await o.access.resolveVolume(c.caller, name)
      const wanted = wantedDigests(c.request.headers['want-digest'])
      return await contentReply(o, {
        ...{ ...c, ...volume, headers: c.request.headers },
        describe: (preparation) => digestOf(preparation, wanted),
      })
    },

    async head(c, name) {
      const volume = await o.access.resolveVolume(c.caller, name)
      const { record } = volume
      await o.access.requireRight(c.caller, record, 'file', 'read')
      await o.catalog.requireThere(record.guid)
      const wanted = wantedDigests(c.request.headers['want-digest'])
      const lease = wanted.length === 0 ? undefined : await whenSealed(c, record)
      try {
        if (lease !== undefined) await mayRead(c, record)
        const sealed = lease?.preparation ?? o.delivery.sealed(record)
        const headers = {
          ...containerHeaders(volume),
          ...(sealed === undefined ? {} : { etag: `"${sealed.container!.etag}"` }),
          ...(sealed === undefined ? {} : await digestOf(sealed, wanted)),
        }
        return { headers, body: '' }
      } finally {
        lease?.release()
      }
    },

    async properties({ caller }, name, path) {
      const entry = await o.entries.stat(caller, name)
      return propertiesReply([resourceOf({ ...entry, path: path ?? entry.path })])
    },
  }
}

export function resourceOf({ path, bytes, created }: Entry): Resource {
  return { path, file: { bytes, modified: created, type: CONTENT_TYPE } }
}

const XML = { status: 207, headers: { 'content-type': 'application/xml; charset=utf-8' } }

export function propertiesReply(resources: readonly Resource[]): StreamReply {
  return { ...XML, body: multistatus(resources) }
}

/** The same of as many as there are. One that fails after the first page is cut, as a file is. */
export function longPropertiesReply(pages: AsyncIterable<readonly Resource[]>): StreamReply {
  return { ...XML, body: multistatusOf(pages) }
}
