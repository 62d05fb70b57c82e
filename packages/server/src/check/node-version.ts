import { fault, good, type Finding } from '@mdm/core/findings'

/** The oldest Node that has all we use; bin/run.js refuses older ones. */
const [MAJOR, MINOR] = [24, 15]

/** Is this Node new enough? @param version such as 26.10.0 */
export function checkNode(version: string = process.versions.node): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > MAJOR || (major === MAJOR && minor >= MINOR)
    ? good('node', '', `Node ${version}`)
    : fault(
        'node',
        '',
        `Node ${version}, and MDM needs ${MAJOR}.${MINOR} or later`,
        'npm ci, which brings the right one',
      )
}
