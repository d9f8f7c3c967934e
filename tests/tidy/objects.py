"""The checks that read object code: what each engine file imports, and whether the manual has every parameter."""
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

FLAGS = ["-std=gnu17", "-D_GNU_SOURCE", "-O0", "-w", "-c"]

# Groups of symbols. Between them they hold what reaches outside the process, or memory without a bound.
GROUPS = {
	"time": r"time|clock_\w+|gettimeofday|nanosleep|usleep|sleep|timer_\w+|timerfd_\w+|localtime(_r)?|gmtime(_r)?|mktime",
	"chance": r"rand\w*|srand\w*|drand48|getrandom|getentropy|arc4random\w*",
	"bytes": r"p?readv?2?|p?writev?2?|send|sendto|sendm?msg|recv|recvfrom|recvm?msg|splice|sendfile|fwrite|fread|"
		 r"fopen|fdopen|fclose|fputs|fprintf|printf|puts|perror|getline|syslog",
	"files": r"open|openat|open64|creat|close|close_range|fsync|fdatasync|sync\w*|rename\w*|unlink\w*|mkdir\w*|rmdir|"
		 r"ftruncate\w*|fallocate\w*|l?stat|fstat\w*|statx|access|opendir|fdopendir|readdir|closedir|scandir|dup[23]?|"
		 r"fcntl\w*|ioctl|flock|eventfd\w*|chmod|chown|fchmod|fchown|mkfifo|pipe2?",
	"sockets": r"socket|socketpair|connect|bind|listen|accept4?|shutdown|setsockopt|getsockopt|getpeername|getsockname|"
		   r"getaddrinfo|gethostbyname\w*|getnameinfo|getifaddrs|gethostname|poll|ppoll|p?select|epoll_\w+",
	"memory": r"malloc|calloc|realloc|reallocarray|free|strdup|strndup|asprintf|vasprintf|posix_memalign|aligned_alloc",
	"mapping": r"mmap|mmap64|munmap|mremap|mprotect|madvise",
	"threads": r"pthread_\w+|fork|vfork|execv\w*|posix_spawn\w*|sem_\w+|sched_\w+",
	"process": r"getenv|setenv|exit|_exit|getpid|signal|sigaction|kill|raise|system|syscall|prctl",
}

# Who may import what, and why. Whatever is not written here is a finding.
EVERYTHING = set(GROUPS)
ALLOWED = {
	# the seam itself: what the simulator replaces
	"core/io_uring.c": EVERYTHING,
	"core/io_uring_setup.c": EVERYTHING,
	"core/io_start.c": EVERYTHING,
	"core/clock.c": {"time"},
	"core/random.c": {"chance"},
	"core/log_writer.c": EVERYTHING,
	# threads, before and after the turns; cores that start side by side register the same metrics
	"core/runtime.c": {"threads", "memory", "files", "bytes"},
	"core/metric.c": {"threads"},
	# last words
	"core/check.c": {"bytes"},
	# memory that is reserved at start and given back at the end, nothing between
	"core/pool.c": {"mapping"},
	"core/heap.c": {"memory"},
	"core/map.c": {"memory"},
	"core/log_ring.c": {"memory"},
	# a thread for what takes longer than a turn, and its end of two sockets; opened at start, it ends with its core
	"core/helper.c": {"threads", "sockets", "bytes", "files"},
	"core/xcall.c": {"memory"},
	# the tables of objects that live from start to end: only in their _new and _free
	"core/journal.c": {"memory"},
	"net/delivery/delivery.c": {"memory"},
	"net/lookup/resolver.c": {"memory"},
	"net/source/inject_smtp.c": {"memory"},
	"net/source/notice.c": {"memory"},
	"net/source/tlsrpt.c": {"memory"},
	"net/source/spool.c": {"memory"},
	"net/source/spool_said.c": {"memory"},
	# start and reload only: whole small files, the lock of a directory and the pause before it is tried again
	"core/file.c": {"files", "bytes", "memory", "time"},
	"net/lookup/hosts.c": {"memory"},
	"net/lookup/table_net.c": {"memory"},
	"net/source/spool_dir.c": {"memory", "files"},
	"core/conf.c": {"memory", "files", "bytes"},
	"core/conf_expand.c": {"memory"},
	"core/table.c": {"memory", "files"},
	"core/table_store.c": {"memory"},
	"core/table_text.c": {"memory"},
	"core/table_rules.c": {"memory"},
	"core/table_cidr.c": {"memory"},
	"core/table_file.c": {"files"},
	"core/maps.c": {"memory"},
	"crypto/tls_context.c": {"memory", "files"},
	# start and HUP only
	"crypto/passwords.c": {"memory"},
	# the TLS library's allocator: counted and bounded for each session
	"crypto/tls_heap.c": {"memory"},
	# mutexes that the SASL library is handed for plug-ins which only an operator's word loads
	"crypto/auth.c": {"threads"},
	"net/params.c": {"sockets", "process"},		# what this host is called; a name for this instance
}


class Objects:
	"""Compiles every engine source on its own, without optimisation: an import is then a call that somebody wrote."""

	def __init__(self, tree, folder):
		self.tree = tree
		self.folder = folder
		self.sources = tree.under("core", "crypto", "net", ends=(".c",))
		self.failures = []
		self._own = None
		with ThreadPoolExecutor(max_workers=2) as workers:
			self.objects = dict(zip(self.sources, workers.map(self._compile, self.sources)))

	def flags(self):
		deps = os.path.join(self.tree.root, ".deps")
		return FLAGS + ["-I", self.tree.root, "-isystem", os.path.join(deps, "kernel-headers/include"),
				"-isystem", os.path.join(deps, "include")]

	def _compile(self, source):
		target = os.path.join(self.folder, source.replace("/", "_")[:-2] + ".o")
		run = subprocess.run([os.environ.get("CC", "cc"), *self.flags(), "-o", target, source], cwd=self.tree.root,
				     stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False)
		if run.returncode != 0:
			first = run.stderr.decode(errors="replace").strip().split("\n")[0]
			self.failures.append(f"{source}:1: does not compile on its own: {first}")
			return None
		return target

	def imports(self, source):
		if self.objects[source] is None:
			return []
		out = subprocess.run(["nm", "-u", "-P", self.objects[source]], stdout=subprocess.PIPE, check=True).stdout
		return sorted({line.split()[0].split("@")[0] for line in out.decode().splitlines() if line.strip()} - self.own())

	def own(self):
		"""What the engine defines itself: timer_arm_in is not timer_create's sister."""
		if self._own is None:
			built = [o for o in self.objects.values() if o]
			out = subprocess.run(["nm", "-A", "-g", "--defined-only", "-P", *built], stdout=subprocess.PIPE, check=True).stdout
			self._own = {line.split(": ", 1)[1].split()[0] for line in out.decode().splitlines() if ": " in line}
		return self._own


def compiles_alone(objects):
	return sorted(objects.failures)


def seam(objects):
	bad = []
	for source in objects.sources:
		for symbol in objects.imports(source):
			plain = re.sub(r"^__(\w+)_chk$", r"\1", symbol)
			for group, names in GROUPS.items():
				if re.fullmatch(names, plain) and group not in ALLOWED.get(source, ()):
					bad.append(f"{source}:1: imports {symbol} ({group}) behind the back of the seam")
	return bad


def exceptions_needed(objects):
	"""An exception that nobody uses any more must go: it would cover the next mistake."""
	bad = []
	for source, groups in ALLOWED.items():
		if source not in objects.sources or groups == EVERYTHING or objects.objects[source] is None:
			continue
		used = {g for g, names in GROUPS.items() for s in objects.imports(source)
			if re.fullmatch(names, re.sub(r"^__(\w+)_chk$", r"\1", s))}
		for group in sorted(groups - used):
			bad.append(f"{source}:1: may import {group} by tests/tidy/objects.py, and does not")
	return bad


def parameters_documented(objects):
	"""Builds the generator of the manual page and looks for every row of the table in what it prints."""
	tree = objects.tree
	table = "net/params_table.h"
	generator = "tools/gen_params_man.c"
	if table not in tree.files or generator not in tree.files:
		return []
	text = "".join(tree.text(t) for t in sorted(tree.files) if re.fullmatch(r"net/params_table\w*\.h", t))
	rows = re.findall(r"\bX\((\w+),\s*(\w+),", re.sub(r"/\*.*?\*/", "", text, flags=re.S))
	names = [name for kind, name in rows if kind not in ("HEADING", "kind")]
	program = os.path.join(objects.folder, "gen_params_man")
	archive = os.path.join(objects.folder, "engine.a")
	# From an archive the linker takes only what the generator asks for: none of what needs a library.
	subprocess.run(["ar", "rcs", archive, *[o for o in objects.objects.values() if o]], check=True)
	run = subprocess.run([os.environ.get("CC", "cc"), *[f for f in objects.flags() if f != "-c"], "-o", program, generator,
			      archive], cwd=tree.root, stderr=subprocess.PIPE, check=False)
	if run.returncode != 0:
		return [f"{generator}:1: does not link: {run.stderr.decode(errors='replace').strip().splitlines()[-2]}"]
	page = subprocess.run([program], stdout=subprocess.PIPE, check=True).stdout.decode()
	bad = [f"{table}:1: {name} is there twice" for name in sorted({n for n in names if names.count(n) > 1})]
	if not names:
		bad.append(f"{table}:1: has no rows that this check can read")
	for name in names:
		m = re.search(r"\\fB" + name + r"\\fR.*?(?=\.TP|\.SS|\.SH|\Z)", page, re.S)
		if m is None:
			bad.append(f"{table}:1: {name} is not in the manual page")
		elif len(m.group(0).split("\n", 1)[-1].split()) < 3:
			bad.append(f"{table}:1: {name} has no explanation in the manual page")
	return bad


CHECKS = [
	("objects: every engine source compiles on its own", compiles_alone),
	("seam: outside of it no engine object imports time, chance, sockets, files, memory or threads", seam),
	("seam: every exception is still needed", exceptions_needed),
	("parameters: every row of the table is explained in the manual page", parameters_documented),
]
