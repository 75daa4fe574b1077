"""Downloads from S3: MLflow's `download_artifacts` beside `mlflight download`, from one moto server of its own process."""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import boto3
from botocore.config import Config

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "python"))

from store_servers import moto

MLFLOW = "import sys, mlflow.artifacts; mlflow.artifacts.download_artifacts(sys.argv[1], dst_path=sys.argv[2])"
"""The import of MLflow is part of what its user waits for; the table shows it apart."""


def upload(client, prefix: str, sizes: list[int]) -> None:
    """Store files of these sizes below a prefix."""
    block = os.urandom(1 << 20)
    client.put_object(Bucket="bench", Key=f"{prefix}/MLmodel", Body=b"flavors: {}\n")
    for number, size in enumerate(sizes):
        body = (block * (size // len(block) + 1))[:size]
        client.put_object(Bucket="bench", Key=f"{prefix}/data/{number % 20}/{number}.bin", Body=body)


def seconds(command: list[str], environment: dict[str, str]) -> float:
    """Return how long a command takes."""
    begun = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begun


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", default=str(Path(sys.executable).with_name("mlflight")))
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with moto() as address, tempfile.TemporaryDirectory() as scratch:
        keys = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key", "AWS_DEFAULT_REGION": "us-east-1"}
        environment = {**os.environ, **keys, "AWS_ENDPOINT_URL": address, "MLFLOW_S3_ENDPOINT_URL": address}
        config = Config(request_checksum_calculation="when_required")
        client = boto3.client("s3", endpoint_url=address, region_name="us-east-1", config=config,
                              aws_access_key_id="id", aws_secret_access_key="key")  # fmt: skip
        client.create_bucket(Bucket="bench")
        upload(client, "large", [500 << 20])
        upload(client, "small", [4096] * 2000)
        start = statistics.median(seconds([sys.executable, "-c", "import mlflow.artifacts"], environment) for _ in range(3))
        print("| what | MLflow | of it, import | mlflight | times |")
        print("|---|---|---|---|---|")
        for prefix, what in [("large", "one file of 500 MB"), ("small", "2,000 files of 4 kB")]:
            theirs, ours = [], []
            for number in range(arguments.rounds):
                uri = f"s3://bench/{prefix}"
                there, here = Path(scratch) / "theirs", Path(scratch) / f"cache{number}"
                there.mkdir()
                theirs.append(seconds([sys.executable, "-c", MLFLOW, uri, str(there)], environment))
                # Its own cache each time: everything is downloaded, hashed and kept.
                ours.append(seconds([arguments.binary, "download", uri], {**environment, "MLFLIGHT_CACHE_DIR": str(here)}))
                shutil.rmtree(there)
                shutil.rmtree(here)
            one, other = statistics.median(theirs), statistics.median(ours)
            print(f"| {what} | {one:.2f} s | {start:.2f} s | {other:.2f} s | {one / other:.1f} |")


if __name__ == "__main__":
    main()
