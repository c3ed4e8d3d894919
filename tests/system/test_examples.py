"""The examples, which check themselves: earthquakes (where their data was fetched) and clicks."""

import os
import pathlib
import subprocess
import sys

from server import Skip, binary, equal, run

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"


def example(name, *arguments):
    done = subprocess.run([sys.executable, "-B", str(EXAMPLES / name / "run.py"), "--binary", os.path.abspath(binary()),
                           *arguments], capture_output=True, text=True, timeout=120)
    if "fetches them" in done.stderr:
        raise Skip(done.stderr.strip())
    equal(done.returncode, 0, done.stdout + done.stderr)
    return done.stdout


def quakes_are_as_in_their_source():
    out = example("quakes")
    assert out.count("  equal ") == 11 and "Hualian, Taiwan" in out, out


def clicks_are_drawn_once():
    out = example("clicks", "--check")
    assert "sent twice, stand once" in out, out


if __name__ == "__main__":
    run(quakes_are_as_in_their_source, clicks_are_drawn_once)
