import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Session } from '@mdm/core/access/session'
import type { Storage } from '@mdm/core/access/storage'
import type { ClientConfig } from '@mdm/core/config'
import type { Credential } from '@mdm/core/identity/credential'
import { Command, Flags } from '@oclif/core'
import type { Failures } from './failures.ts'
import { interruption } from './interrupt.ts'
import { formatNote } from './report-error.ts'

/** The flags that say who asks whom; every command has them. */
export interface IdentityFlags {
  readonly config?: string | undefined
  readonly site?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
  readonly srm?: string | undefined
  readonly 'ca-dir'?: string | undefined
}

/** What all commands share: identity flags, --json, and one way to talk. Core is loaded only where it is used. */
export abstract class BaseCommand extends Command {
  static override enableJsonFlag = true
  static override baseFlags = {
    config: Flags.string({
      description: 'configuration file (MDM_CONFIG)',
      helpValue: 'FILE',
      helpGroup: 'GLOBAL',
    }),
    site: Flags.string({ description: 'site to ask (MDM_SITE)', helpValue: 'NAME', helpGroup: 'GLOBAL' }),
    cert: Flags.string({
      description: 'your certificate or proxy, PEM (MDM_CERT, X509_USER_PROXY)',
      helpValue: 'FILE',
      helpGroup: 'GLOBAL',
    }),
    key: Flags.string({
      description: 'your private key, PEM, where it is not in the same file (MDM_KEY)',
      helpValue: 'FILE',
      helpGroup: 'GLOBAL',
    }),
    json: Flags.boolean({ description: 'answer as JSON, errors too', helpGroup: 'GLOBAL' }),
  }

  /** Aborted when the user stops the command. */
  protected readonly signal = interruption

  /** Talk goes to stderr, so that data on stdout stays clean. */
  protected talk(line: string): void {
    process.stderr.write(`${line}\n`)
  }

  /** Data for a person; under --json the returned object is printed instead. */
  protected print(text: string): void {
    if (!this.jsonEnabled()) process.stdout.write(text.endsWith('\n') || text === '' ? text : `${text}\n`)
  }

  protected async clientConfig(flags: IdentityFlags): Promise<ClientConfig> {
    const { loadConfig } = await import('@mdm/core/config')
    return await loadConfig(given(flags))
  }

  /** The configuration as its file has it, to be changed and stored again. */
  protected async storedConfig(flags: IdentityFlags): Promise<ClientConfig> {
    const { defaultConfigFile, storedConfig } = await import('@mdm/core/config')
    return await storedConfig(resolve(flags.config ?? (process.env['MDM_CONFIG'] || defaultConfigFile())))
  }

  /** Opens a session with the site and its key servers, and closes it whatever happens. */
  protected async withSession<T>(flags: IdentityFlags, work: (session: Session) => Promise<T>): Promise<T> {
    const config = await this.clientConfig(flags)
    const { openSession } = await import('@mdm/core/access/session')
    const session = await openSession(config)
    try {
      return await work(session)
    } finally {
      await session.close()
    }
  }

  /** Opens the way to storage services, and closes it whatever happens. */
  protected async withStorage<T>(flags: IdentityFlags, work: (storage: Storage) => Promise<T>): Promise<T> {
    const config = await this.clientConfig(flags)
    const { openStorage } = await import('@mdm/core/access/storage')
    const storage = await openStorage(config)
    try {
      return await work(storage)
    } finally {
      await storage.close()
    }
  }

  /** The configured certificate and key, without a site. @throws MDM_CONFIG | MDM_CREDENTIAL_EXPIRED */
  protected async ownCredential(flags: IdentityFlags): Promise<Credential> {
    const config = await this.clientConfig(flags)
    const { ownCredential } = await import('@mdm/core/access/own-credential')
    return await ownCredential(config)
  }

  /** Lists what failed of several things, and settles the exit code. */
  protected finish(failures: Failures): void {
    for (const { name, ...note } of failures.listed)
      this.talk(formatNote({ ...note, message: `${name}: ${note.message}` }).trimEnd())
    failures.throwOrSetExitCode()
  }

  protected async readText(file: string): Promise<string> {
    return await readFile(file, { encoding: 'utf8', signal: this.signal })
  }

  // main.ts reports every error, also those from before a command exists.
  protected override async catch(error: Error): Promise<never> {
    throw error
  }
}

function given({ config, site, cert, key, srm, 'ca-dir': caDir }: IdentityFlags) {
  const all = { config, site, cert, key, srm, 'ca-dir': caDir }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as Partial<
    Record<keyof typeof all, string>
  >
}
