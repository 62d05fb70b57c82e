import type { MdmError } from '@mdm/core/errors'

/** What the callers of this folder see: peers, associations, objects and counters, in the words of DICOM PS3.7 and PS3.8. */

/** An application entity that we call, and how. */
export interface DimsePeer {
  host: string
  port: number
  /** AE titles, 1 to 16 characters (PS3.5 6.2) */
  calledAe: string
  callingAe: string
  /** with it TLS, and only certificates below `ca` (PS3.15 B.1) */
  tls?: TlsTrust
  /** user name, with or without a passcode (PS3.7 D.3.3.7) */
  userIdentity?: UserIdentity
  /** longest PDU that we take, bytes; 64 KiB where absent */
  maxPdu?: number
  timeouts?: Partial<Timeouts>
  /** false: leave the kernel's delayed ACK as it is; where absent it is switched off if this machine can */
  quickAck?: boolean
}

export interface TlsTrust {
  ca: string | Buffer
  cert?: string | Buffer
  key?: string | Buffer
  /** name that the certificate of the peer must have; `host` where absent */
  servername?: string
}

export interface UserIdentity {
  user: string
  password?: string
}

export interface Timeouts {
  /** TCP and TLS are up; 10 s */
  connectMs: number
  /** the A-ASSOCIATE is answered, and the A-RELEASE; 10 s */
  associationMs: number
  /** silence of the peer while we wait for it, never while we are the slow one; 60 s */
  inactivityMs: number
}

/** One presentation context to propose (PS3.8 9.3.2.2). The acceptor chooses one of its transfer syntaxes. */
export interface Proposal {
  abstractSyntax: string
  transferSyntaxes: readonly string[]
  /** true: we are the SCP of this class on our own association, as C-GET needs it (PS3.7 D.3.3.4) */
  scpRole?: boolean
}

/** A presentation context that the acceptor took. */
export interface AcceptedContext {
  /** odd, 1 to 255 */
  id: number
  abstractSyntax: string
  transferSyntax: string
}

/** A query identifier. Keys are tags as 'ggggeeee', values as text; '' asks for the value. */
export interface Query {
  model: QueryModel
  level: 'PATIENT' | 'STUDY' | 'SERIES' | 'IMAGE'
  keys: Readonly<Record<string, string>>
}

export type QueryModel = 'study' | 'patient'

/**
 * What to retrieve: a series, or objects of it. CTN answers a list of several objects with Success and none of them, so
 * the caller holds the counters against what it expects.
 */
export interface RetrieveRequest {
  /** 'study' where absent */
  model?: QueryModel
  level: 'SERIES' | 'IMAGE'
  /** needed by the patient model (PS3.4 C.6.1) */
  patient?: string
  study: string
  series: string
  /** at most 1,000: more do not fit into one value (PS3.5 7.1.2) */
  sops?: readonly string[]
}

/** Counters of a C-GET or C-MOVE as the peer gave them last; undefined where it gave none (PS3.7 9.1.3.1, 9.1.4.1). */
export interface SubOperations {
  remaining: number | undefined
  completed: number | undefined
  failed: number | undefined
  warning: number | undefined
  /** status of the final response: 0x0000 or a warning */
  status: number
  /** C-STOREs that reached us on this association; 0 for C-MOVE */
  received: number
}

/** An object on its way in: the bytes of its data set exactly as sent, without preamble and file meta information. */
export interface ReceivedObject {
  sopClass: string
  sop: string
  transferSyntax: string
  /**
   * To be read once, before the next object is asked for. The peer is held back while nobody reads; what is not read is
   * thrown away.
   */
  chunks: AsyncIterable<Buffer>
}

/** An object to send: its data set already in the transfer syntax that it names. */
export interface SentObject {
  sopClass: string
  sop: string
  transferSyntax: string
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>
}

/** An association that we opened. One operation at a time; each throws what `associate` throws. */
export interface Association {
  readonly accepted: readonly AcceptedContext[]
  /** longest PDU that the peer takes, bytes; 0 means no limit */
  readonly peerMaxPdu: number
  /** false once it is released, aborted or lost */
  readonly isOpen: boolean
  /** C-ECHO (PS3.7 9.1.5). */
  echo(): Promise<void>
  /**
   * C-FIND (PS3.7 9.1.2): one map of tag to value for each match. Values are text decoded by the reply's own Specific
   * Character Set, without padding, several separated by backslashes; sequences and binary values are left out. Only
   * the keys given are sent (CTN refuses those of another level). To stop early aborts the association.
   */
  find(query: Query): AsyncIterable<ReadonlyMap<string, string>>
  /**
   * C-GET (PS3.7 9.1.3): each object as it comes, then the counters. The answer to an object is sent when the next is
   * asked for. To stop early aborts the association.
   * @throws MDM_SOURCE_INCOMPLETE when the final status is neither Success nor Warning
   */
  get(request: RetrieveRequest): AsyncGenerator<ReceivedObject, SubOperations, undefined>
  /**
   * C-MOVE (PS3.7 9.1.4) to an AE that the peer knows.
   * @throws MDM_SOURCE_INCOMPLETE when the final status is neither Success nor Warning
   */
  move(request: RetrieveRequest & { destination: string }): Promise<SubOperations>
  /** C-STORE (PS3.7 9.1.1). @returns the status: 0x0000 is Success, 0xB000 and like are warnings */
  store(object: SentObject): Promise<number>
  /** A-RELEASE (PS3.8 7.2). A reset after the answer is no error (CTN). */
  release(): Promise<void>
  /** A-ABORT (PS3.8 7.3); the socket goes too. */
  abort(): void
}

/** Who opened an association to us. */
export interface IncomingAssociation {
  calling: string
  called: string
  peerAddress: string
  /** certificate of the peer, SHA-256 of its DER form as lower-case hexadecimal; undefined without TLS */
  tlsPeer: string | undefined
  userIdentity: UserIdentity | undefined
}

/** An SCP of C-STORE and C-ECHO. */
export interface DimseServerOptions {
  /** address to listen on; there is no default, so that nobody listens everywhere by accident */
  host: string
  /** 0 takes a free one */
  port: number
  /** our AE titles; another called title is rejected */
  ae: string | readonly string[]
  /** with it TLS, and only clients with a certificate below `ca` */
  tls?: { ca: string | Buffer; cert: string | Buffer; key: string | Buffer }
  /** SOP classes taken; storage classes of the standard and private ones alike where absent */
  acceptsClass?(sopClass: string): boolean
  /** transfer syntaxes taken, the first that is proposed wins; any, as the sender prefers, where absent */
  transferSyntaxes?: readonly string[]
  /** false rejects the association */
  authorize(association: IncomingAssociation): boolean | Promise<boolean>
  /** @returns the status to answer: 0x0000 only when what was sent is safe. A throw is answered with 0xC000. */
  onStore(object: ReceivedObject, association: IncomingAssociation): Promise<number>
  /** @returns the status to answer to a C-ECHO; 0x0000 where absent */
  onEcho?(association: IncomingAssociation): number | Promise<number>
  /** told of every association, or attempt at one, that did not end by a release; for the audit log */
  onFault?(error: MdmError, peerAddress: string): void
  limits?: Partial<ServerLimits>
  quickAck?: boolean
}

export interface ServerLimits {
  /** at once; one more is rejected as "temporary congestion"; 16 */
  associations: number
  /** longest PDU taken, bytes; 64 KiB */
  maxPdu: number
  /** from connect to the end of the A-ASSOCIATE-RQ, TLS included; 10 s */
  associationMs: number
  /** silence of the peer while we wait for it; 60 s */
  inactivityMs: number
  /** whole association; 1 h */
  lifetimeMs: number
}

export interface DimseServer {
  readonly port: number
  /** Ends listening and aborts what is open. */
  close(): Promise<void>
}

/** What ended an association or an operation, as `details.dimse` of the MdmError. */
export type DimseFault =
  | 'connect' // TCP refused, no route, name unknown
  | 'connect-timeout'
  | 'tls' // certificate not known, or no TLS spoken
  | 'rejected' // A-ASSOCIATE-RJ
  | 'association-timeout'
  | 'no-context' // nothing that the operation needs was accepted
  | 'aborted' // A-ABORT
  | 'closed' // FIN where the protocol is not at its end
  | 'reset' // RST
  | 'inactive'
  | 'protocol' // not DICOM, or beyond our bounds
  | 'status' // the operation ended with a status of failure
