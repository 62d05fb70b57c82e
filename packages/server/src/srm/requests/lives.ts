import { MdmError, type ErrorCode } from '@mdm/core/errors'
import { isOpen, isWaiting, ownerOf, type KnownFile, type KnownRequest } from './known-request.ts'
import type { Pins } from './pins.ts'
import type { FileState } from './requests.ts'
import type { Shares } from './shares.ts'

/** The life of each file: it waits for its caller's part of the spool, then for a preparation, is pinned, and ends. */
export interface Lives {
  /** Lets a file wait for its preparation; READY at once where that lies in the spool. */
  begin(file: KnownFile): void
  /** Ends a file that is open; the first end counts. */
  end(file: KnownFile, state: FileState, code?: ErrorCode): void
  /** Ends what is over by the clock. */
  expire(request: KnownRequest): void
  /** Says when a request began and ended, by its files. */
  note(request: KnownRequest): void
}

export interface LivesOptions {
  readonly pins: Pins
  readonly shares: Shares
  now(): Date
  /** @throws what the file then FAILED of */
  mayRead(file: KnownFile): Promise<void>
  /** A file has another state. */
  changed(file: KnownFile): void
  /** A file is open no more. */
  ended(file: KnownFile): void
}

export function createLives(o: LivesOptions): Lives {
  const { pins, shares } = o

  function pin(file: KnownFile): void {
    const waiter = {
      owner: ownerOf(file.request.caller),
      mayRead: () => o.mayRead(file),
      changed: () => follow(file),
    }
    file.pin = pins.take(file.volume!, waiter)
    follow(file)
  }

  /** Takes the state of its pin. */
  function follow(file: KnownFile): void {
    const { pin: taken, request } = file
    if (taken === undefined || !isOpen(file)) return
    if (taken.state === 'FAILED') return end(file, 'FAILED', taken.error!.code)
    if (taken.state === file.state) return
    file.state = taken.state
    if (file.state === 'READY') file.pinnedUntil ??= pinEnd(request, request.pinSeconds, o.now())
    note(request)
    o.changed(file)
  }

  function end(file: KnownFile, state: FileState, code?: ErrorCode): void {
    if (!isOpen(file)) return
    file.state = state
    file.code = code
    file.pin?.release()
    file.leaveShare?.()
    file.pin = file.leaveShare = undefined
    note(file.request)
    o.changed(file)
    o.ended(file)
  }

  function note(request: KnownRequest): void {
    if (request.files.some(({ state }) => state !== 'QUEUED')) request.started ??= o.now()
    if (request.files.some(({ state }) => isWaiting(state))) return
    request.finished ??= o.now()
    request.settled.resolve()
  }

  return {
    end,
    note,
    begin(file) {
      const { guid, version, bytes } = file.volume!
      try {
        const volume = { name: `${guid}@${version}`, bytes }
        file.leaveShare = shares.take(ownerOf(file.request.caller), volume, () => pin(file))
      } catch (error) {
        end(file, 'FAILED', error instanceof MdmError ? error.code : 'MDM_INTERNAL')
      }
    },
    expire(request) {
      const now = o.now()
      for (const file of request.files) {
        if (file.state === 'READY' && file.pinnedUntil! <= now) end(file, 'EXPIRED')
        if (request.ends > now) continue
        if (file.state === 'QUEUED') end(file, 'FAILED', 'MDM_SPOOL_FULL')
        else end(file, 'EXPIRED')
      }
    },
  }
}

/** When a pin ends that shall last for some time from now: never after its request. */
export function pinEnd({ ends }: KnownRequest, seconds: number, now: Date): Date {
  return new Date(Math.min(ends.getTime(), now.getTime() + 1_000 * seconds))
}
