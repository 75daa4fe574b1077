"""What the published wheel promises of its binaries, tried on those of the installed package."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess

import pytest
from conftest import ROOT

import mlflight._paths as paths


@pytest.fixture(scope="module")
def build_wheel():
    spec = importlib.util.spec_from_file_location("build_wheel", ROOT / "python" / "build_wheel.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def binaries(build_wheel, tmp_path):
    """Return the installed binaries under the names cargo gave them."""
    for built, installed in build_wheel.BINARIES.items():
        shutil.copy2(paths.ROOT.parent / installed, tmp_path / built)
    return tmp_path


def test_the_wheel_has_all_of_its_binaries_without_debug_information(build_wheel, binaries):
    for built in build_wheel.BINARIES:
        assert build_wheel.newest_glibc(binaries / built) >= (2,), f"{built} asks glibc for nothing: its symbols were not read"
        sections = subprocess.run(["objdump", "-h", binaries / built], check=True, stdout=subprocess.PIPE, text=True).stdout
        assert ".text" in sections
        assert ".debug_info" not in sections


def test_a_binary_for_newer_systems_than_promised_is_refused(build_wheel, binaries):
    build_wheel.check(binaries, "99.0", 10**12)
    with pytest.raises(SystemExit, match=r"libmlflight_native\.so needs glibc 2\.[0-9.]+, the wheel promises 2\.1"):
        build_wheel.check(binaries, "2.1", 10**12)


def test_a_service_too_large_to_ship_is_refused(build_wheel, binaries):
    size = (binaries / "mlflight-service").stat().st_size
    build_wheel.check(binaries, "99.0", size)
    with pytest.raises(SystemExit, match="mlflight-service takes"):
        build_wheel.check(binaries, "99.0", size - 1)
