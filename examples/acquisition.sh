#!/usr/bin/env bash
# Use case 1: images were acquired and archived; they are registered, and the policy of the site says who has what from the
# start. For a data administrator. Prints each new volume and its access list.
set -euo pipefail

before=$(mdm ls --format guids)
# 10: a key server is away. Registration goes on by itself; what is ready is shown all the same.
mdm register >&2 || [ $? = 10 ]

mdm ls --format guids | while read -r guid; do
  case $before in *"$guid"*) continue ;; esac
  mdm stat "$guid"
  mdm acl show "$guid"
done
