#!/usr/bin/env bash
# A Slurm array job: each task computes on one volume of a list. Nothing readable touches the disk of the node, nor Slurm's own.
#
#   sbatch --array=1-"$(wc -l < LIST)" slurm-array.sh LIST
#
# A line of LIST is "GUID" or "GUID CREDENTIAL": a file that `mdm credential delegate` wrote for this volume, mode 600, on storage that
# the node sees. Without one the task is whoever its environment says. Each task prints "GUID,MEAN"; 16-bit volumes only.
#
# Exit code 0: done. 75 (EX_TEMPFAIL): site or key servers are away; submit this task again. Any other: that of mdm.
#SBATCH --job-name=mdm
#SBATCH --ntasks=1
#SBATCH --output=%x-%A-%a.csv
#SBATCH --error=%x-%A-%a.err
set -euo pipefail
umask 077
ulimit -c 0 # a core dump would hold voxels and keys

# The computation: mean of the stored values, from a NIfTI file on stdin, of which 352 bytes are header.
mean() {
  tail -c +353 | od -An -v -t d2 -w2 | awk '{ sum += $1 } END { if (NR > 0) printf "%.3f\n", sum / NR }'
}

read -r name credential < <(sed -n "${SLURM_ARRAY_TASK_ID:?this is for sbatch --array}p" "$1") || true
[ -n "${name:-}" ] || { echo "line $SLURM_ARRAY_TASK_ID of the list is empty" >&2; exit 2; }
# By its path: Slurm keeps the environment and the script of every job on its own disks, so no secret may be in either.
if [ -n "${credential:-}" ]; then
  export MDM_CERT=$credential
  unset MDM_KEY
fi

# A result counts only when mdm ended well: before that it may be of half a volume. pipefail gives the exit code of mdm.
status=0
result=$(mdm get "$name" -o - --format nifti </dev/null | mean) || status=$?
case $status in
  0) echo "$name,$result" ;;
  5 | 6) echo "$name: later (exit code $status)" >&2 && exit 75 ;;
  *) echo "$name: failed (exit code $status)" >&2 && exit "$status" ;;
esac
