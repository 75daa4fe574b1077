"""Check licenses and sources of every crate in the tree against deny.toml, for machines without cargo-deny."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"


def permitted(expression: str, allowed: set[str]) -> bool:
    """Whether an SPDX expression can be met with the allowed licenses."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))
    position = 0

    def either() -> bool:
        nonlocal position
        met = both()
        while position < len(tokens) and tokens[position] == "OR":
            position += 1
            met |= both()
        return met

    def both() -> bool:
        nonlocal position
        met = single()
        while position < len(tokens) and tokens[position] == "AND":
            position += 1
            met &= single()
        return met

    def single() -> bool:
        nonlocal position
        token = tokens[position]
        position += 1
        if token == "(":
            met = either()
            position += 1
            return met
        if position < len(tokens) and tokens[position] == "WITH":
            token = f"{token} WITH {tokens[position + 1]}"
            position += 2
        return token in allowed

    return either()


def main() -> None:
    """Print what may not be there and fail, or print the count."""
    allowed = set(tomllib.loads((ROOT / "deny.toml").read_text())["licenses"]["allow"])
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--all-features"]
    packages = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)["packages"]
    wrong = []
    for package in packages:
        name = f"{package['name']} {package['version']}"
        if package["source"] not in (None, REGISTRY):
            wrong.append(f"{name} comes from {package['source']}")
        if not permitted(package["license"] or "none", allowed):
            wrong.append(f"{name} is under {package['license'] or 'no stated license'}")
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"licenses and sources of {len(packages)} crates: as deny.toml allows")


main()
