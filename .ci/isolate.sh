#!/bin/sh
# isolate.sh CMD...: runs CMD in namespaces of its own, with loopback as the only network; the exit status is CMD's.
# Servers that bind 0.0.0.0 are then harmless, fixed ports are free, nothing leaves, and every process ends with CMD.
#
# 127.0.0.2: glibc leaves 127.0.0.1 out when it looks for a configured address, so some programs resolve nothing.
# The inner shell stays (no exec), because process 1 of a namespace must reap the orphans.
set -u
[ $# -gt 0 ] || { echo "usage: isolate.sh CMD..." >&2; exit 2; }
namespaces='--net --mount --uts --ipc --pid --fork --mount-proc --kill-child'
[ "$(id -u)" = 0 ] || namespaces="--map-root-user $namespaces"
prepare='ip link set lo up && ip addr add 127.0.0.2/8 dev lo && hostname localhost &&
  mount -t tmpfs -o mode=755 tmpfs /run && mkdir -m 1777 /run/lock'

# shellcheck disable=SC2086 # the options are words
if ! reason=$(unshare $namespaces sh -c "$prepare" 2>&1); then
  echo "isolate.sh: namespaces are not permitted here ($reason); running without isolation" >&2
  exec "$@"
fi
# shellcheck disable=SC2086
exec unshare $namespaces sh -c "$prepare"' && { "$@"; exit $?; }' sh "$@"
