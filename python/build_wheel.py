"""Make the mlflight wheel from what cargo and Maven built. Needs nothing beside Python, cargo and, for `dist`, cargo-zigbuild.

``build_wheel.py dev --out DIR`` packs the dev profile's binaries from CARGO_TARGET_DIR; ``build_wheel.py dist --out DIR`` builds
optimised ones for any Linux with glibc 2.28 first.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "python" / "mlflight"
GLIBC = "2.28"
#: What executors and containers carry: no DataFusion.
SERVICE_LIMIT = 25_000_000

#: What cargo calls it, and where it lies in the package.
BINARIES = {
    "libmlflight_native.so": "mlflight/_native.abi3.so",
    "mlflight": "mlflight/bin/mlflight",
    "libmlflight_jni.so": "mlflight/native/libmlflight_jni.so",
    "mlflight-service": "mlflight/native/mlflight-service",
}
#: Each is built by itself, so that none carries another's features.
PACKAGES = ("mlflight", "mlflight-service", "mlflight-jni", "mlflight-python")

METADATA = """\
Metadata-Version: 2.4
Name: mlflight
Version: {version}
Summary: MLflow Models, scored in Rust over Arrow, from Spark, SQL and the shell
License-Expression: Apache-2.0
License-File: LICENSE
License-File: NOTICE
Requires-Python: >=3.10
Requires-Dist: pyarrow>=15
Provides-Extra: spark
Requires-Dist: pyspark>=3.5; extra == "spark"
Provides-Extra: connect
Requires-Dist: pyspark-client>=4.2; extra == "connect"
Project-URL: Source, https://github.com/mlflight/mlflight
Description-Content-Type: text/markdown

{readme}"""


def version() -> str:
    """Return the workspace's version."""
    return tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]


def target_directory() -> Path:
    """Return where cargo builds."""
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def build_dist() -> Path:
    """Build the optimised binaries and return their directory."""
    triple = f"{platform.machine()}-unknown-linux-gnu"
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for package in PACKAGES:
        command = ["cargo", "zigbuild", "--profile", "dist", "--locked", "--target", f"{triple}.{GLIBC}", "-p", package]
        subprocess.run(command, cwd=ROOT, env=environment, check=True)
    return target_directory() / triple / "dist"


def strip(binaries: Path, scratch: Path) -> Path:
    """Return a directory of copies without symbols and debug information."""
    for name in BINARIES:
        shutil.copy2(binaries / name, scratch / name)
        subprocess.run(["strip", "--strip-unneeded", str(scratch / name)], check=True)
    return scratch


def newest_glibc(binary: Path) -> tuple[int, ...]:
    """Return the newest glibc whose symbols a binary asks for."""
    symbols = subprocess.run(["objdump", "-T", str(binary)], check=True, stdout=subprocess.PIPE, text=True).stdout
    return max((tuple(map(int, found.split("."))) for found in re.findall(r"GLIBC_([0-9.]+)", symbols)), default=(0,))


def check(binaries: Path, glibc: str, service_limit: int) -> None:
    """Refuse binaries that would not start on the systems the wheel is tagged for, and a service too large to ship."""
    for built in BINARIES:
        needed = newest_glibc(binaries / built)
        if needed > tuple(map(int, glibc.split("."))):
            sys.exit(f"{built} needs glibc {'.'.join(map(str, needed))}, the wheel promises {glibc}")
    size = (binaries / "mlflight-service").stat().st_size
    if size > service_limit:
        sys.exit(f"mlflight-service takes {size:,} bytes, the limit is {service_limit:,}")


def write(out: Path, tag: str, binaries: Path, level: int) -> Path:
    """Write the wheel around these binaries."""
    name = f"mlflight-{version()}"
    info = f"{name}.dist-info"
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("mlflight-*.whl"):
        old.unlink()
    wheel = out / f"{name}-{tag}.whl"
    draft = wheel.with_suffix(".draft")
    record = []
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as file:

        def add(path: str, content: bytes, executable: bool = False) -> None:
            entry = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if executable else 0o100644) << 16
            file.writestr(entry, content, compresslevel=level)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record.append(f"{path},sha256={digest},{len(content)}")

        for path in sorted(PACKAGE.rglob("*")):
            if path.suffix in (".py", ".pyi", ".typed"):
                add(f"mlflight/{path.relative_to(PACKAGE)}", path.read_bytes())
        for built, path in BINARIES.items():
            add(path, (binaries / built).read_bytes(), executable=True)
        for jar in sorted((ROOT / "jvm" / "dist").glob("mlflight-spark*.jar")):
            add(f"mlflight/jars/{jar.name}", jar.read_bytes())
        for legal in ("LICENSE", "NOTICE"):
            add(f"{info}/licenses/{legal}", (ROOT / legal).read_bytes())
        readme = (ROOT / "README.md").read_text()
        add(f"{info}/METADATA", METADATA.format(version=version(), readme=readme).encode())
        add(f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: mlflight\nRoot-Is-Purelib: false\nTag: {tag}\n".encode())
        add(f"{info}/entry_points.txt", b"[console_scripts]\nmlflight = mlflight._cli:main\n")
        record.append(f"{info}/RECORD,,")
        file.writestr(f"{info}/RECORD", "\n".join(record) + "\n")
    draft.rename(wheel)
    return wheel


def main() -> None:
    """Build the wheel that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("profile", choices=("dev", "dist"))
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    machine = platform.machine()
    if sys.platform != "linux" or machine not in ("x86_64", "aarch64"):
        sys.exit(f"wheels are built on Linux x86_64 and aarch64; this is {sys.platform} {machine}")
    dist = arguments.profile == "dist"
    platform_tag = f"manylinux_{GLIBC.replace('.', '_')}" if dist else "linux"
    with tempfile.TemporaryDirectory() as scratch:
        binaries = strip(build_dist() if dist else target_directory() / "debug", Path(scratch))
        if dist:
            check(binaries, GLIBC, SERVICE_LIMIT)
        wheel = write(arguments.out, f"py3-none-{platform_tag}_{machine}", binaries, 9 if dist else 1)
    print(f"{wheel}  {wheel.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
