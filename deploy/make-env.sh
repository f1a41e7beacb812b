#!/bin/sh
# Writes .env with fresh passwords for docker-compose.yml. What is there stays: databases that were
# made with the old passwords would not open with new ones.
set -eu
cd "$(dirname "$0")/.."
file="${1:-.env}"
if [ -e "$file" ]; then
  echo "$file is there already, and stays as it is." >&2
  exit 0
fi

password() {
  od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

# Nobody else may read it, from its first byte on.
umask 077
{
  echo "# Made by deploy/make-env.sh for docker-compose.yml. Not for the repository."
  for name in SPANLEDGER_ADMIN SPANLEDGER_WRITER SPANLEDGER_READER GRAFANA_ADMIN REDIS; do
    echo "${name}_PASSWORD=$(password)"
  done
} >"$file"
echo "Wrote $file. Grafana's user is admin; its password is in there." >&2
