#!/usr/bin/env bash
# A job on any machine, with a capability instead of its owner's certificate: fetches every volume that the capability names, opens
# each in a pipe and computes. Ciphertext alone touches the disk, and it goes with the job, as does the capability.
# Prints "GUID,SHA-256,MEAN" for each volume, of the NIfTI file and of its stored values; 16-bit volumes only.
#
# Where the rights are:  mdm query "modality=MR" --format guids | mdm credential delegate --hours 2 -o job.cred
# On the node, which knows the site's roster and no user:  plain-shell-job.sh job.cred > results.csv
#
# Exit code 75 (EX_TEMPFAIL): site or key servers are away; the capability is kept for another run.
set -euo pipefail
umask 077
ulimit -c 0

capability=$(realpath "$1")
export MDM_CERT=$capability
unset MDM_KEY
work=$(mktemp -d)

finish() {
  status=$?
  rm -rf "$work"
  if [ "$status" = 75 ]; then return; fi
  rm -f "$capability"
}
trap finish EXIT

# Site or key servers are away: that passes by itself.
or_later() {
  case $1 in 5 | 6) exit 75 ;; *) exit "$1" ;; esac
}

# A capability may list its own volumes and no other.
mdm ls --format guids >"$work/guids" || or_later $?
mdm get --level raw -o "$work/" <"$work/guids" >"$work/containers" || or_later $?

mkfifo "$work/copy"
while read -r guid; do
  # One pipe, two results; neither counts before mdm has ended well, since until then it may be of half a volume.
  sha256sum <"$work/copy" >"$work/digest" &
  status=0
  mdm decrypt "$work/$guid.mdm" -o - --format nifti </dev/null | tee "$work/copy" |
    tail -c +353 | od -An -v -t d2 -w2 |
    awk '{ sum += $1 } END { if (NR > 0) printf "%.3f\n", sum / NR }' >"$work/mean" || status=$?
  wait
  [ "$status" = 0 ] || or_later "$status"
  echo "$guid,$(cut -d ' ' -f 1 "$work/digest"),$(cat "$work/mean")"
done <"$work/guids"
