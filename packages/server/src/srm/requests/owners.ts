import { MdmError } from '@mdm/core/errors'
import { ownerOf, type KnownRequest } from './known-request.ts'

/** How much each caller has asked for. */
export interface Owners {
  /** Counts files that are open from now on. @throws MDM_LIMIT when they are too many */
  take(owner: string, files: number): void
  /** The same for files of before a restart. */
  restore(owner: string, files: number): void
  give(owner: string, files: number): void
  /** A request has no open file any more. @returns requests of the same owner to be forgotten, the oldest ends first */
  ended(request: KnownRequest): KnownRequest[]
  forget(request: KnownRequest): void
}

interface Owner {
  openFiles: number
  endedFiles: number
  readonly ended: Set<KnownRequest>
}

/** @param limit open files of one owner, and as many that are not open any more and still known */
export function createOwners(limit: number): Owners {
  const owners = new Map<string, Owner>()
  const of = (name: string): Owner => {
    const owner = owners.get(name) ?? { openFiles: 0, endedFiles: 0, ended: new Set() }
    owners.set(name, owner)
    return owner
  }
  const drop = (name: string, owner: Owner): void => {
    if (owner.openFiles === 0 && owner.ended.size === 0) owners.delete(name)
  }
  const forget = (request: KnownRequest): void => {
    const name = ownerOf(request.caller)
    const owner = of(name)
    if (owner.ended.delete(request)) owner.endedFiles -= request.files.length
    drop(name, owner)
  }
  return {
    take(name, files) {
      const owner = of(name)
      if (owner.openFiles + files > limit) {
        drop(name, owner)
        const text = `you have ${owner.openFiles} files prepared or pinned, and may have ${limit}: release some`
        throw new MdmError('MDM_LIMIT', text)
      }
      owner.openFiles += files
    },
    restore(name, files) {
      of(name).openFiles += files
    },
    give(name, files) {
      const owner = of(name)
      owner.openFiles -= files
      drop(name, owner)
    },
    ended(request) {
      const owner = of(ownerOf(request.caller))
      if (owner.ended.has(request)) return []
      owner.ended.add(request)
      owner.endedFiles += request.files.length
      const old: KnownRequest[] = []
      let left = owner.endedFiles
      for (const each of owner.ended) {
        if (left <= limit) break
        left -= each.files.length
        old.push(each)
      }
      return old
    },
    forget,
  }
}
