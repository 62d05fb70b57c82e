#!/usr/bin/env bash
# Use case 3: a scientist, or the group of a study, computes on volumes without learning whose they are. What the job sees is
# voxels and technical columns; a query about the patient is refused as if there were no such column.
# Usage: study.sh "modality=MR" > results.csv
set -euo pipefail

if mdm query "patient_name!=''" --format guids >/dev/null 2>&1; then
  echo "this account may read names: use one of the study" >&2
  exit 1
fi
here=$(dirname "$0")
mdm query "$1" --format guids | "$here/worker-node-job.sh"
