"""No library of the executable may bind to another's private symbols (docs/adr/0002-linking.md)."""

import os
import re
import subprocess

from server import binary, run

FETCHED = re.compile(r"/lib(?:arrow|parquet|arrow_compute|duckdb)[^/]*$")
PUBLIC = re.compile(r"arrow|parquet|duckdb|^_ZN?K?R?S[tabsiod]|^_ZT[ISVTC]N?K?S|^_ZGVZ?N?K?S|^_ZZN?K?S"
                    r"|^_ZN9__gnu_cxx|^__cxa|^_Z(?:nwm|dlPv|dlPvm|nam|daPv|nwmRKSt9nothrow_t|nwmSt11align_val_t)")


def fetched_and_system_libraries_keep_apart():
    answer = subprocess.run([binary(), "--version"], capture_output=True, text=True, check=True,
                            env={**os.environ, "LD_BIND_NOW": "1", "LD_DEBUG": "bindings"})
    seen, wrong = 0, []
    for line in answer.stderr.splitlines():
        match = re.search(r"binding file (\S+) \[0\] to (\S+) \[0\]: normal symbol `([^']+)'", line)
        if not match:
            continue
        seen += 1
        user, owner, symbol = match.groups()
        if user == owner or bool(FETCHED.search(user)) == bool(FETCHED.search(owner)):
            continue
        if FETCHED.search(owner) and not PUBLIC.search(symbol):
            wrong.append(f"{os.path.basename(user)} uses {symbol} of {os.path.basename(owner)}")
        if not FETCHED.search(owner) and re.search(r"simdjson|RAND_|EVP_|SSL_|CRYPTO_|re2", symbol):
            wrong.append(f"{os.path.basename(user)} uses {symbol} of {os.path.basename(owner)}")
    print(f"{seen} bindings seen")
    assert seen > 1000, "the loader printed no bindings; the check would see nothing"
    assert not wrong, "\n".join(wrong[:20])


run(fetched_and_system_libraries_keep_apart)
