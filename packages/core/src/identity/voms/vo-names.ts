/** True for a name of a virtual organisation that is one plain name: no path and no part of one. */
export function isVoName(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text)
}

/** True for a host name (RFC 1123 section 2.1), in any case. */
export function isHostName(text: string): boolean {
  return text.length <= 253 && /^[A-Za-z0-9](?:[A-Za-z0-9-]|\.(?=[A-Za-z0-9]))*$/.test(text)
}
