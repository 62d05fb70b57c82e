#!/usr/bin/env bash
# Use cases 2 and 3, the administrator's part: a group gets the rights of a preset on the volumes named on stdin, and its members
# join it. The team of a physician gets "clinical", a study gets "process" or "research".
# Usage: share-with-group.sh GROUP PRESET [MEMBER ...] < GUIDS
set -euo pipefail

group=$1 preset=$2
shift 2
for member in "$@"; do mdm group add "$group" --member "$member" </dev/null; done
mdm acl grant --to "group:$group" --preset "$preset" --versions all
