#!/usr/bin/env bash
# A job on a worker node: volumes come by name on stdin, go through a computation in a pipe, and leave a line of result each.
# Nothing readable touches the disk of the node. Prints "GUID,MEAN" for each volume; 16-bit volumes only.
#
# Exit code 0: all done. 1: some volumes failed for good and are named on stderr. 75 (EX_TEMPFAIL): site or key servers are
# away; let the scheduler run the job again.
set -euo pipefail

# The computation: mean of the stored values, from a NIfTI file on stdin, of which 352 bytes are header.
mean() {
  tail -c +353 | od -An -v -t d2 -w2 | awk '{ sum += $1 } END { if (NR > 0) printf "%.3f\n", sum / NR }'
}

failed=0
while read -r name; do
  [ -n "$name" ] || continue
  # A result counts only when mdm ended well: before that it may be of half a volume. pipefail gives the exit code of mdm, since
  # the computation itself does not fail.
  status=0
  result=$(mdm get "$name" -o - --format nifti </dev/null | mean) || status=$?
  case $status in
    0) echo "$name,$result" ;;
    5 | 6) echo "$name: later (exit code $status)" >&2 && exit 75 ;;
    *) echo "$name: failed (exit code $status)" >&2 && failed=$((failed + 1)) ;;
  esac
done
[ "$failed" = 0 ]
