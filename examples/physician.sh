#!/usr/bin/env bash
# Use case 2: the physician who asked for the acquisition gets the record and the image of a patient.
# Usage: physician.sh "patient_name='DOE^JANE'" FOLDER
set -euo pipefail

patient=$1 folder=$2
umask 077 # what follows names a patient
mkdir -p "$folder"
mdm query "$patient" --format csv >"$folder/record.csv"
mdm query "$patient" --format guids | mdm get -o "$folder/" --format nifti-gz
