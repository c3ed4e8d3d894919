"""Recordings of the system calls of a real server, and the states that a crash could leave of what they did.

The model of the disk is a pessimist's: bytes are durable when a sync of their file has returned that began after they
were written, or when their write has returned, into a file that was opened with O_DSYNC; names when a sync of their folder has. Of all else any part may survive: single sectors, sizes without
bytes, renames one by one. A kill of the process leaves what the kernel has, so all that was written, up to a point.
"""

import os
import random
import re
import stat
from dataclasses import dataclass, field, replace

from sync_trace import BYTES, parse

TRACED = ("openat,close,write,writev,pwrite64,pwritev,pwritev2,fsync,fdatasync,rename,renameat2,link,unlink,ftruncate,"
          "fallocate,mkdir,rmdir,read,readv,recvfrom,recvmsg,sendto,sendmsg,execve,clone,clone3,vfork")
SECTOR = 512
STRACE = ["strace", "-D", "-f", "-qq", "-xx", "-s", str(1 << 21), "-e", "trace=" + TRACED, "-o"]


@dataclass
class Change:
    """One thing that was done to a file's bytes or to a folder's names."""
    begin: int
    end: int
    kind: str  # write, truncate; make, rename, remove.
    inode: int = 0
    offset: int = 0
    data: bytes = b""
    path: str = ""
    source: str = ""
    durable: bool = False  # When it has ended: the file was opened with O_DSYNC.


@dataclass
class Sync:
    begin: int
    end: int


@dataclass
class Recording:
    """What one or more runs of the server did below `folder`, in time."""
    folder: str
    changes: list = field(default_factory=list)
    file_syncs: dict = field(default_factory=dict)  # By inode.
    folder_syncs: dict = field(default_factory=dict)  # By path.
    folders: list = field(default_factory=list)  # (time, path): made.
    answered: list = field(default_factory=list)  # (time, identity): 200 began to leave.
    asked: list = field(default_factory=list)  # (time, identity): its request was read.
    moments: list = field(default_factory=list)  # Where something ended that matters.
    length: int = 0
    inodes: int = 0
    durable_descriptors: set = field(default_factory=set)  # Of the run at hand: each write is durable when it returns.

    def add(self, trace, identity):
        """Goes on with another run, whose calls are in the file `trace`."""
        with open(trace) as file:
            calls = parse(file, killed=True)
        base, names, open_files, wanted = self.length, self._names(), {}, {}
        for call in calls:
            begin, end = base + call.begin, base + call.end
            self.length = max(self.length, end + 1)
            if call.name in ("sendto", "sendmsg", "write", "writev") and call.descriptor in wanted:
                if call.bytes.startswith(b"HTTP/1.1 200"):
                    self.answered += [(begin, name) for name in wanted.pop(call.descriptor)]
                    self.moments.append(begin)
                continue
            if call.result < 0:
                continue
            if call.name in ("recvfrom", "recvmsg", "read", "readv"):
                if call.descriptor not in open_files and (found := identity.findall(call.bytes)):
                    wanted.setdefault(call.descriptor, []).extend(found)
                    self.asked += [(begin, name) for name in found]
            elif call.name == "close":
                open_files.pop(call.descriptor, None)
                wanted.pop(call.descriptor, None)
            else:
                self._do(call, begin, end, names, open_files)

    def _names(self):
        """Which inode has which name after all that is recorded."""
        names = {}
        for change in self.changes:
            apply_name(change, names)
        return names

    def _do(self, call, begin, end, names, open_files):
        paths = [bytes.fromhex(text.replace("\\x", "")).decode("utf-8", "replace") for text in BYTES.findall(call.arguments)]
        ours = [path for path in paths if path.startswith(self.folder + "/")]

        def change(kind, **more):
            self.changes.append(Change(begin, end, kind, **more))
            self.moments.append(end)
            apply_name(self.changes[-1], names)

        if call.name == "openat":
            open_files.pop(call.result, None)
            self.durable_descriptors.discard(call.result)
            if not ours:
                return
            path = os.path.normpath(ours[0])
            if "O_DIRECTORY" in call.arguments:
                open_files[call.result] = path
                return
            if path not in names:
                if "O_CREAT" not in call.arguments:
                    return
                self.inodes += 1
                change("make", inode=self.inodes, path=path)
            if "O_RDONLY" not in call.arguments:
                open_files[call.result] = names[path]
            if "O_DSYNC" in call.arguments:
                self.durable_descriptors.add(call.result)
            if "O_TRUNC" in call.arguments:
                change("truncate", inode=names[path])
        elif call.name == "mkdir" and ours:
            self.folders.append((begin, end, os.path.normpath(ours[0])))
        elif call.name in ("rename", "renameat2", "link") and len(ours) == 2:
            source, path = map(os.path.normpath, ours)
            if source in names:
                change("rename", inode=names[source], path=path, source=source)
        elif call.name == "unlink" and ours:
            if os.path.normpath(ours[0]) in names:
                change("remove", path=os.path.normpath(ours[0]))
        elif not re.match(r"\d+\b", call.arguments) or call.descriptor not in open_files:
            return
        elif call.name in ("fsync", "fdatasync"):
            target = open_files[call.descriptor]
            syncs = self.folder_syncs if isinstance(target, str) else self.file_syncs
            syncs.setdefault(target, []).append(Sync(begin, end))
            self.moments.append(end)
        elif isinstance(open_files[call.descriptor], str):
            return
        elif call.name in ("pwrite64", "pwritev", "pwritev2"):
            data = b"".join(bytes.fromhex(text.replace("\\x", "")) for text in BYTES.findall(call.arguments))[:call.result]
            assert len(data) == call.result, "the recording cut bytes off"
            # pwritev(fd, [...], pieces, OFFSET), pwrite64(fd, "...", size, OFFSET)
            tail = call.arguments[call.arguments.rfind('"'):].rstrip(") ").split(",")
            offset = int(tail[-2 if call.name == "pwritev2" else -1])
            change("write", inode=open_files[call.descriptor], offset=offset, data=data,
                   durable=call.descriptor in self.durable_descriptors)
        elif call.name == "ftruncate":
            change("truncate", inode=open_files[call.descriptor], offset=int(call.arguments.split(",")[1]))
        elif call.name == "fallocate":
            _, _, offset, size = (part.strip(" )") for part in call.arguments.split(","))
            change("extend", inode=open_files[call.descriptor], offset=int(offset) + int(size))

    # Recordings of servers that would be wrong: what finds nothing in them finds nothing.
    def without_file_syncs(self, part):
        named = {change.inode for change in self.changes if change.kind in ("make", "rename") and part in change.path}
        return self._with(file_syncs={inode: syncs for inode, syncs in self.file_syncs.items() if inode not in named},
                          changes=[replace(change, durable=False) if change.inode in named else change
                                   for change in self.changes])

    def without_folder_syncs(self, part):
        return self._with(folder_syncs={path: syncs for path, syncs in self.folder_syncs.items() if part not in path})

    def _with(self, **changed):
        return Recording(**{name: changed.get(name, value) for name, value in vars(self).items()})


def apply_name(change, names):
    if change.kind == "make":
        names[change.path] = change.inode
    elif change.kind == "rename":
        names[change.path] = change.inode
        if names.get(change.source) == change.inode:
            del names[change.source]
    elif change.kind == "remove":
        names.pop(change.path, None)


def is_durable(change, syncs, moment):
    return any(sync.begin >= change.end and sync.end <= moment for sync in syncs)


def apply_bytes(change, content, size):
    """Returns the size behind it."""
    if change.kind == "truncate":
        del content[change.offset:]
        return change.offset
    if change.kind == "extend":
        return max(size, change.offset)
    if len(content) < change.offset + len(change.data):
        content.extend(bytes(change.offset + len(change.data) - len(content)))
    content[change.offset:change.offset + len(change.data)] = change.data
    return max(size, change.offset + len(change.data))


class CrashState:
    """What is on the disk after a crash in `recording`, drawn from `seed`."""

    def __init__(self, recording, seed):
        self.recording = recording
        self.chance = random.Random(seed)
        # Just when something ended, or began to, is where mistakes show.
        self.moment = max(0, self.chance.choice(recording.moments) + self.chance.choice((-1, 0, 0, 0, 1)))
        self.kind = self.chance.choice(("kill", "power", "power", "power", "wild"))
        self.kept = self.chance.choice((0, 0.1, 0.5, 0.9, 1))  # Of what is not durable.
        self.answered = {name for time, name in recording.answered if time <= self.moment}
        self.asked = {name for time, name in recording.asked if time <= self.moment}

    def build(self, folder):
        """Makes the files below `folder`; returns how many changes were lost, whole or in part."""
        begun = [change for change in self.recording.changes if change.begin <= self.moment]
        self.lost = 0
        names = self._names_at([change for change in begun if change.kind in ("make", "rename", "remove")])
        by_inode = {}
        for change in begun:
            if change.kind in ("write", "truncate", "extend"):
                by_inode.setdefault(change.inode, []).append(change)
        for begin, _, path in self.recording.folders:
            if begin <= self.moment:
                os.makedirs(folder + path[len(self.recording.folder):], exist_ok=True)
        for path, inode in names.items():
            target = folder + path[len(self.recording.folder):]
            os.makedirs(os.path.dirname(target), exist_ok=True)
            content, size = self._content(inode, by_inode.get(inode, []))
            with open(target, "wb") as file:
                file.write(content.rstrip(b"\0") if len(content) > 65536 else content)
                file.truncate(size)
            os.chmod(target, stat.S_IRUSR | stat.S_IWUSR)
        return self.lost

    def _names_at(self, changes):
        names = {}
        syncs = self.recording.folder_syncs
        in_order = self.chance.random() < 0.5  # As a file system with a journal has it, or each for itself.
        stopped = set()
        for change in changes:
            folder = os.path.dirname(change.path)
            done = change.end <= self.moment
            if self.kind == "kill":
                kept = done or self.chance.random() < 0.5
            elif done and is_durable(change, syncs.get(folder, ()), self.moment):
                kept = True
            elif in_order:
                kept = folder not in stopped and self.chance.random() < max(self.kept, 0.5)
            else:
                kept = self.chance.random() < self.kept
            if kept:
                apply_name(change, names)
            else:
                stopped.add(folder)
                self.lost += 1
        return names

    def _content(self, inode, changes):
        syncs = self.recording.file_syncs.get(inode, ())
        content, size = bytearray(), 0
        for change in changes:
            done = change.end <= self.moment
            if done and (self.kind == "kill" or change.durable or is_durable(change, syncs, self.moment)):
                size = apply_bytes(change, content, size)
            elif self.kind == "kill":  # In the middle of it: the kernel had the first pages.
                if change.kind == "write":
                    part = change.data[:self.chance.randrange(len(change.data) // 4096 + 1) * 4096]
                    size = apply_bytes(Change(0, 0, "write", offset=change.offset, data=part), content, size)
                self.lost += 1
            else:
                size = self._part_of(change, content, size)
        if len(content) < size:
            content.extend(bytes(size - len(content)))
        return content[:size], size

    def _part_of(self, change, content, size):
        """Of a change that is not durable: single sectors, the size without them, or nothing."""
        self.lost += 1
        if change.kind != "write":
            return apply_bytes(change, content, size) if self.chance.random() < self.kept else size
        grown = size
        for at in range(0, len(change.data), SECTOR):
            piece = change.data[at:at + SECTOR]
            drawn = self.chance.random()
            if drawn >= self.kept:
                if self.kind != "wild" or drawn < 0.95:
                    continue
                piece = self.chance.choice((bytes(len(piece)), self.chance.randbytes(len(piece))))
            grown = apply_bytes(Change(0, 0, "write", offset=change.offset + at, data=piece), content, grown)
        if change.offset + len(change.data) > size and self.chance.random() < 0.3:
            # The size was not written, or was without the bytes.
            grown = self.chance.choice((size, max(grown, change.offset + len(change.data))))
            del content[grown:]
        return grown
