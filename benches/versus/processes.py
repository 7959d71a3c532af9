"""Child processes: started, pinned, watched and ended.

Owns every process of a run. Ends only what it started, by process id, and always: on success, on
an error and on a signal. Knows nothing of proxies or loads.
"""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
STOP_SECONDS = 5


class Unavailable(Exception):
    """Something this machine does not have; what needs it is left out, and that is said."""


def find(name):
    """The path of a program, looked for where Debian puts servers as well."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")
    if path is None:
        raise Unavailable(f"{name} is not installed")
    return path


def prepare():
    """Lets this process and its children open as many files as the system allows, and makes
    a signal to stop run the clean-up."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def most_connections():
    """Client connections a proxy can be told to allow, with a backend connection for each."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return min(9000, (most - 500) // 2)


class Child:
    """A running process and its own children; a context manager that ends it."""

    def __init__(self, command, cpu=None, log=subprocess.DEVNULL, **options):
        if cpu is not None:
            command = [find("taskset"), "-c", str(cpu), *command]
        options = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, **options}
        self.process = subprocess.Popen([str(part) for part in command], **options)
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self, with_signal=signal.SIGTERM, seconds=STOP_SECONDS):
        """Asks it to end, then makes it."""
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
            # A paused process gets it only then.
            self.resume()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def is_running(self):
        return self.process.poll() is None

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def is_asleep(self):
        """Returns whether all of it waits for something to do."""
        return all(_stat(task)[0] == "S" for task in self._tasks())

    def set_policy(self, policy):
        """Gives every thread of it a policy of the scheduler that needs no priority."""
        for task in self._tasks():
            os.sched_setscheduler(int(task.name), policy, os.sched_param(0))

    def _tasks(self):
        """The directories of its threads."""
        return [task for pid in self.pids() for task in Path(f"/proc/{pid}/task").iterdir()]

    def pids(self):
        """It and its children: the worker of nginx is a child."""
        tasks = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *map(int, tasks)]

    def cpu_ns(self):
        """CPU time so far as (total, user, system) in nanoseconds.

        The total is the scheduler's own, exact. How it divides into user and system is known by
        the timer tick only: good to a percent or two over seconds.
        """
        total = user = system = 0
        for pid in self.pids():
            total += time.clock_gettime_ns(_cpu_clock(pid))
            fields = _stat(Path(f"/proc/{pid}"))
            user += int(fields[11]) * TICK_NS
            system += int(fields[12]) * TICK_NS
        return total, user, system

    def bytes_read(self):
        """Bytes it has read so far by `read(2)`, wherever from."""
        lines = Path(f"/proc/{self.pid}/io").read_text().splitlines()
        return int(dict(line.split(": ") for line in lines)["rchar"])

    def resident_bytes(self):
        """Memory that is resident, without what is shared with other processes."""
        page = os.sysconf("SC_PAGE_SIZE")
        total = 0
        for pid in self.pids():
            _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
            total += (int(resident) - int(shared)) * page
        return total


def _stat(process):
    """The fields of a process or thread, from its state on."""
    return (process / "stat").read_text().rpartition(")")[2].split()


def _cpu_clock(pid):
    """The clock of the CPU time of a process, as clock_getcpuclockid(3) makes it."""
    return ~pid << 3 | 2


def busy_ns(cpu):
    """Time this CPU has not been idle, stolen time included: as the timer tick sees it, so good to
    a few hundredths of half a second."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{cpu}":
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, ticks[:8])
            return (user + nice + system + irq + softirq + steal) * TICK_NS
    raise Unavailable(f"/proc/stat says nothing of CPU {cpu}")
