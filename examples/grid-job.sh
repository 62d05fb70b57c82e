#!/usr/bin/env bash
# A grid job (ARC, or any other that gives its jobs a proxy): the container comes by the grid's own client, as a file from any storage
# element does; the key shares come to `mdm decrypt`, and the voxels go through a pipe. URLs come by name on stdin.
#
#   X509_USER_PROXY=... grid-job.sh < URLS          # srm://SITE:PORT/mdm/GUID or https://SITE:PORT/mdm/GUID, one a line
#   GRID_COPY=arccp grid-job.sh < URLS              # with ARC's client instead of gfal-copy
#
# Prints "GUID,MEAN" for each; 16-bit volumes only. Only ciphertext is ever in the job's folder, and that until its result is known.
#
# Exit code 0: all done. 1: some failed and are named on stderr.
set -euo pipefail
umask 077
ulimit -c 0 # a core dump would hold voxels and keys

# The computation: mean of the stored values, from a NIfTI file on stdin, of which 352 bytes are header.
mean() {
  tail -c +353 | od -An -v -t d2 -w2 | awk '{ sum += $1 } END { if (NR > 0) printf "%.3f\n", sum / NR }'
}

fetch() { # URL FILE
  case ${GRID_COPY:-gfal-copy} in
    gfal-copy) gfal-copy --force "$1" "file://$2" >&2 ;;
    arccp) arccp "$1" "$2" >&2 ;;
    *) echo "GRID_COPY is gfal-copy or arccp" >&2 && return 2 ;;
  esac
}

folder=$(mktemp -d "${TMPDIR:-/tmp}/mdm-XXXXXXXX")
trap 'rm -rf "$folder"' EXIT
container=$folder/container
failed=0
while read -r url; do
  [ -n "$url" ] || continue
  rm -f "$container"
  # A result counts only when every step ended well; pipefail gives the exit code of mdm, since the computation does not fail.
  if fetch "$url" "$container" </dev/null &&
    result=$(mdm decrypt "$container" -o - --format nifti </dev/null | mean); then
    echo "${url##*/},$result"
  else
    echo "$url: failed" >&2 && failed=$((failed + 1))
  fi
done
[ "$failed" = 0 ]
