import { MAX_PROPOSALS, QUERY_RETRIEVE, VERIFICATION, type Proposal } from '../../dimse/index.ts'

const IMPLICIT = '1.2.840.10008.1.2'
const EXPLICIT = '1.2.840.10008.1.2.1'
const PLAIN = [EXPLICIT, IMPLICIT]

/**
 * Transfer syntaxes that images are stored in, the likely ones first (PS3.5 annex A). Ours or not: an object that we
 * cannot decode yet must still come, so that it is known for what it is.
 */
const SYNTAXES = [
  ...PLAIN,
  '1.2.840.10008.1.2.4.70', // JPEG lossless, first order
  '1.2.840.10008.1.2.4.90', // JPEG 2000 lossless
  '1.2.840.10008.1.2.4.80', // JPEG-LS lossless
  '1.2.840.10008.1.2.5', // RLE
  '1.2.840.10008.1.2.4.50', // JPEG baseline
  '1.2.840.10008.1.2.4.91', // JPEG 2000
  '1.2.840.10008.1.2.2', // explicit VR big endian
  '1.2.840.10008.1.2.1.99', // deflated
  '1.2.840.10008.1.2.4.57', // JPEG lossless
  '1.2.840.10008.1.2.4.51', // JPEG extended
  '1.2.840.10008.1.2.4.81', // JPEG-LS near-lossless
  '1.2.840.10008.1.2.4.201', // HTJ2K lossless
  '1.2.840.10008.1.2.4.202', // HTJ2K lossless RPCL
  '1.2.840.10008.1.2.4.203', // HTJ2K
]

/** What most series consist of: proposed where there is room, so that one association serves many series. */
const COMMON_CLASSES = [
  '1.2.840.10008.5.1.4.1.1.2', // CT
  '1.2.840.10008.5.1.4.1.1.4', // MR
  '1.2.840.10008.5.1.4.1.1.128', // PET
  '1.2.840.10008.5.1.4.1.1.2.1', // enhanced CT
  '1.2.840.10008.5.1.4.1.1.4.1', // enhanced MR
]

/**
 * Queries, and storage with one presentation context for each pair of SOP class and transfer syntax: a server that may
 * choose among several picks one that it cannot convert to (seen with JPEG 2000), and then sends nothing.
 *
 * @param wanted SOP classes that must come; of more than there is room for, each gets fewer transfer syntaxes
 * @param o      `seen` are classes that are likely to be wanted next, the likeliest first
 */
export function proposals(wanted: readonly string[], o: { seen?: readonly string[] } = {}): Proposal[] {
  const queries = [...Object.values(QUERY_RETRIEVE.study), VERIFICATION].map((abstractSyntax) => ({
    abstractSyntax,
    transferSyntaxes: PLAIN,
  }))
  const room = MAX_PROPOSALS - queries.length
  const classes = [...new Set(wanted)].slice(0, Math.floor(room / PLAIN.length))
  const each = Math.min(SYNTAXES.length, Math.floor(room / Math.max(1, classes.length)))
  const likely = [...new Set([...(o.seen ?? []), ...COMMON_CLASSES])].filter((uid) => !classes.includes(uid))
  const more = each < SYNTAXES.length ? 0 : Math.floor(room / SYNTAXES.length) - classes.length
  return [
    ...queries,
    ...[...classes, ...likely.slice(0, more)].flatMap((abstractSyntax) =>
      SYNTAXES.slice(0, each).map((syntax) => ({
        ...{ abstractSyntax, transferSyntaxes: [syntax], scpRole: true },
      })),
    ),
  ]
}
