#!/usr/bin/env bash
# Check Dockerfile and compose.yaml: a Dockerfile linter, the compose schema, a compose linter.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# DD022: Debian keeps only the newest version of a package, so a pin breaks the next build.
# DD069: takes the `*` of `rm -rf /var/lib/apt/lists/*` for one in a package's name.
# DD070: `COPY . ` is safe here, because .dockerignore lists what goes in, not what stays out.
# DD078: the version is in pyproject.toml, and a second copy would go stale.
.venv/bin/dockerfile-doctor --no-color --severity info --ignore DD022,DD069,DD070,DD078 Dockerfile
.venv/bin/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml
# Its medium findings stay: no digest pins (an image is built, not pulled), no CPU limits.
.venv/bin/compose-lint check --no-env --quiet compose.yaml
