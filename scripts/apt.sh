# Read by the other scripts: installing packages of Debian and Ubuntu, where that is allowed.
# shellcheck shell=bash

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi; }

apt_install() { # Quiet unless it fails; fails at once without apt-get or the right to use it.
  local said
  command -v apt-get >/dev/null && as_root true 2>/dev/null || return
  said=$(as_root apt-get update -qq 2>&1 &&
    as_root env DEBIAN_FRONTEND=noninteractive \
      apt-get install -y -qq --no-install-recommends "$@" 2>&1) ||
    { printf '%s\n' "$said" >&2 && false; }
}

on_ubuntu() { grep -qi '^ID=ubuntu' /etc/os-release 2>/dev/null; }
