"""Reads a recording of system calls and says which answers left before the sync of their bytes.

The recording is of `strace -f -xx`. In time, a call begins at its line and ends at its line, or at the line where
it is resumed.
"""

import re
from dataclasses import dataclass, replace

TRACED = ("openat,close,write,writev,pwrite64,pwritev,pwritev2,fsync,fdatasync,"
          "accept,accept4,read,readv,recvfrom,recvmsg,sendto,sendmsg,execve,clone,clone3,vfork")
LINE = re.compile(r"^(\d+) +(.*)$")
CALL = re.compile(r"^(\w+)\((.*)$", re.S)
RESUMED = re.compile(r"^<\.\.\. (\w+) resumed>(.*)$", re.S)
STARTED = re.compile(r"^(?:(?:clone3?|vfork)\(|<\.\.\. (?:clone3?|vfork) resumed>).* = (\d+)$")
RESULT = re.compile(r"^(.*)\) += (-?\d+|\?)(.*)$", re.S)
BYTES = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclass(frozen=True)
class Call:
    name: str
    arguments: str
    result: int
    begin: int
    end: int

    @property
    def descriptor(self):
        return int(self.arguments.split(",")[0].split(")")[0])

    @property
    def bytes(self):
        return b"".join(bytes.fromhex(text.replace("\\x", "")) for text in BYTES.findall(self.arguments))


def others(lines):
    """The threads of programs that the server starts: their descriptors have nothing to do with its own."""
    started, found, first = {}, set(), None
    for line in lines:
        if not (match := LINE.match(line)):
            continue
        thread, text = match.groups()
        first = first or thread
        if text.startswith("execve(") and thread != first:
            found.add(thread)
        elif begun := STARTED.match(text):
            started.setdefault(thread, []).append(begun.group(1))
    waiting = list(found)
    while waiting:
        for thread in started.get(waiting.pop(), ()):
            found.add(thread)
            waiting.append(thread)
    return found


def parse(lines, killed=False):
    """The finished calls of the server, in the order in which they ended. Those of `close` end as they begin: another
    thread may have the same descriptor, for another file, before they return.

    With `killed` the writes, too, in which the process was killed: a kernel ends what it has begun, and the bytes of one
    that waits for the disk are in the file already. They end with the recording.
    """
    lines = list(lines)
    foreign = others(lines)
    calls, open_calls = [], {}
    for number, line in enumerate(lines):
        match = LINE.match(line)
        if not match or match.group(1) in foreign:
            continue
        thread, text = match.groups()
        if resumed := RESUMED.match(text):
            if thread not in open_calls:
                continue
            name, arguments, begin = open_calls.pop(thread)
            text, begin_line = resumed.group(2), begin
        elif call := CALL.match(text):
            name, text, arguments, begin_line = call.group(1), call.group(2), "", number
            if text.endswith("<unfinished ...>"):
                open_calls[thread] = (name, text[:-len("<unfinished ...>")], number)
                continue
        else:
            continue
        result = RESULT.match(text)
        if result and result.group(2) == "?":
            open_calls[thread] = (name, arguments + result.group(1), begin_line)
        elif result:
            end = begin_line if name == "close" else number
            calls.append(Call(name, arguments + result.group(1), int(result.group(2)), begin_line, end))
    for name, arguments, begin in open_calls.values() if killed else ():
        if name in ("pwrite64", "pwritev", "pwritev2"):
            call = Call(name, arguments, 0, begin, len(lines))
            calls.append(replace(call, result=len(call.bytes)))
    return sorted(calls, key=lambda call: call.end)


def early_answers(calls, folder, identity):
    """Returns (number of 200s that were checked, those that left before the sync of their bytes had returned).

    `identity` matches what names an event in its request and in the journal; `folder` is the journal's.
    """
    files, asked, written, synced = {}, {}, {}, {}
    durable = set()  # Descriptors whose writes are synced when they return.
    checked, early = 0, []
    steps = [(call.begin, 0, call) for call in calls] + [(call.end, 1, call) for call in calls]
    syncing = {}  # Of each sync under way: what was written before it began.
    for _, ended, call in sorted(steps, key=lambda step: step[:2]):
        if call.name in ("sendto", "sendmsg", "write", "writev") and not ended:
            # The answer may leave as soon as the call has begun.
            if call.descriptor in asked and call.bytes.startswith(b"HTTP/1.1 200"):
                for name in asked.pop(call.descriptor):
                    checked += 1
                    if name not in synced:
                        early.append(name)
        if call.name in ("fsync", "fdatasync") and not ended:
            syncing[call] = set(written.get(files.get(call.descriptor), ()))
        if not ended or call.result < 0:
            continue
        if call.name == "openat":
            path = call.bytes.decode()
            files[call.result] = path if folder in path else None
            (durable.add if "O_DSYNC" in call.arguments else durable.discard)(call.result)
            if files[call.result] and "O_TRUNC" in call.arguments:
                written.pop(path, None)
        elif call.name == "close":
            files.pop(call.descriptor, None)
            asked.pop(call.descriptor, None)
        elif call.name in ("read", "readv", "recvfrom", "recvmsg"):
            if names := identity.findall(call.bytes):
                asked.setdefault(call.descriptor, []).extend(names)
        elif call.name in ("write", "writev", "pwrite64", "pwritev", "pwritev2"):
            if path := files.get(call.descriptor):
                names = identity.findall(call.bytes)
                written.setdefault(path, set()).update(names)
                if "RWF_DSYNC" in call.arguments or call.descriptor in durable:
                    synced.update(dict.fromkeys(names))
        elif call.name in ("fsync", "fdatasync"):
            synced.update(dict.fromkeys(syncing[call]))
    return checked, early


def journal_syncs(calls, folder):
    """The calls that sync a file of the journal, and the writes that do. Numbers of descriptors are used again and again."""
    files, durable, syncs = {}, set(), set()
    for call in calls:  # In the order of their ends.
        if call.name == "openat" and call.result >= 0:
            files[call.result] = folder in call.bytes.decode()
            (durable.add if "O_DSYNC" in call.arguments else durable.discard)(call.result)
        elif call.name == "close":
            files.pop(call.descriptor, None)
        elif call.name in ("fsync", "fdatasync") and files.get(call.descriptor):
            syncs.add(call)
        elif call.name.startswith("pwrite") and files.get(call.descriptor) and call.descriptor in durable:
            syncs.add(call)
    return syncs


def doctored(calls, folder):
    """Recordings of servers that would be wrong, by what is wrong with them."""
    syncs = journal_syncs(calls, folder)

    def journal_sync(call):
        return call in syncs

    def answer(call):
        return call.name in ("sendto", "sendmsg", "write", "writev") and call.bytes.startswith(b"HTTP/1.1 200")

    def asked_before(call):
        """When the request that the call answers had been read."""
        return max(c.end for c in calls if c.name in ("recvfrom", "recvmsg", "read", "readv")
                   and c.end < call.begin and c.result > 0 and c.descriptor == call.descriptor)

    return {
        "never syncs": [replace(c, arguments=c.arguments.replace("O_DSYNC", "O_CLOEXEC")) for c in calls
                        if not (journal_sync(c) and c.name in ("fsync", "fdatasync"))],
        "ignores a failed sync": [replace(c, result=-1) if journal_sync(c) else c for c in calls],
        "syncs another file": [replace(c, arguments="999") if journal_sync(c) else c for c in calls],
        "answers while it syncs": [replace(c, end=c.end + 1_000_000) if journal_sync(c) else c for c in calls],
        "answers first": [replace(c, begin=asked_before(c) + 0.5) if answer(c) else c for c in calls],
    }
