/**
 * Attribute types of names that have a short spelling: our spelling first, then others people write.
 * All of them compare without regard to case (RFC 4519; RFC 5280 appendix A for emailAddress).
 */
const TYPES: Readonly<Record<string, readonly [name: string, ...aliases: string[]]>> = {
  '2.5.4.3': ['CN', 'commonName'],
  '2.5.4.4': ['SN', 'surname'],
  '2.5.4.5': ['serialNumber'],
  '2.5.4.6': ['C', 'countryName'],
  '2.5.4.7': ['L', 'localityName'],
  '2.5.4.8': ['ST', 'S', 'stateOrProvinceName'],
  '2.5.4.9': ['STREET', 'streetAddress'],
  '2.5.4.10': ['O', 'organizationName'],
  '2.5.4.11': ['OU', 'organizationalUnitName'],
  '2.5.4.12': ['title', 'T'],
  '2.5.4.15': ['businessCategory'],
  '2.5.4.17': ['postalCode'],
  '2.5.4.42': ['GN', 'givenName', 'G'],
  '2.5.4.43': ['initials'],
  '2.5.4.44': ['generationQualifier'],
  '2.5.4.46': ['dnQualifier'],
  '2.5.4.65': ['pseudonym'],
  '2.5.4.97': ['organizationIdentifier'],
  '0.9.2342.19200300.100.1.1': ['UID', 'USERID'],
  '0.9.2342.19200300.100.1.25': ['DC', 'domainComponent'],
  '1.2.840.113549.1.9.1': ['emailAddress', 'E', 'Email'],
}

const OIDS: ReadonlyMap<string, string> = new Map(
  Object.entries(TYPES).flatMap(([oid, names]) => names.map((name) => [name.toLowerCase(), oid] as const)),
)

/** Our short spelling of an attribute type, or undefined when it has none. */
export function attributeName(oid: string): string | undefined {
  return TYPES[oid]?.[0]
}

/** The OID of a short name (any case), of dotted numbers, or of `OID.` and dotted numbers; undefined when it is none. */
export function attributeOid(text: string): string | undefined {
  const dotted = text.replace(/^oid\./i, '')
  if (/^[0-2](\.(0|[1-9][0-9]{0,14})){1,20}$/.test(dotted)) return dotted
  return OIDS.get(text.toLowerCase())
}
