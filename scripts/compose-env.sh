#!/usr/bin/env bash
# Write .env for compose.yaml with new random secrets, readable by you only. Never overwrites.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ ! -e .env ] || {
  echo 'compose-env: .env is there already; it is left as it is' >&2
  exit 1
}
secret() { head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n'; }
device=cpu
if nvidia-smi -L 2>/dev/null | grep -q '^GPU '; then device=gpu; fi
umask 077
cat >.env <<END
# Secrets of this installation; not for version control.
ROUNDS_VLLM_KEY=$(secret)
ROUNDS_DB_PASSWORD=$(secret)

# cpu or gpu; the two belong together.
ROUNDS_DEVICE=$device
COMPOSE_PROFILES=$device

# The host's port, and the name people use when a web server with TLS stands in front.
ROUNDS_PORT=7860
#ROUNDS_NAME=rounds.example.org
END
echo "compose-env: wrote .env for the $device"
