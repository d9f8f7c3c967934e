"""The tree as the checks see it: files, their text, C with comments and strings taken out, includes."""
import os
import re
import subprocess

SKIPPED = {".git", ".deps", "__pycache__"}
TEXT_ENDINGS = (".c", ".h", ".cc", ".py", ".sh", ".md", ".build", ".conf", ".service", ".txt")


class Tree:
	def __init__(self, root):
		self.root = os.path.abspath(root)
		self.files = sorted(self._list())
		self._text = {}
		self._code = {}

	def _list(self):
		# What git would take: the tree as it is being worked on, without what a build leaves behind.
		if os.path.exists(os.path.join(self.root, ".git")):
			out = subprocess.run(["git", "-C", self.root, "ls-files", "-co", "--exclude-standard", "-z"],
					     stdout=subprocess.PIPE, check=True).stdout.decode()
			return {f for f in out.split("\0") if f and os.path.isfile(os.path.join(self.root, f))}
		found = set()
		for folder, folders, names in os.walk(self.root):
			folders[:] = [f for f in folders if f not in SKIPPED and not f.startswith("build")]
			found.update(os.path.relpath(os.path.join(folder, n), self.root) for n in names)
		return found

	def under(self, *folders, ends=(".c", ".h")):
		return [f for f in self.files if f.endswith(ends) and f.startswith(tuple(d + "/" for d in folders))]

	def is_text(self, path):
		if path.endswith(TEXT_ENDINGS):
			return True
		if "." in os.path.basename(path):
			return False
		with open(os.path.join(self.root, path), "rb") as f:
			return f.read(2) == b"#!"

	def text(self, path):
		if path not in self._text:
			with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as f:
				self._text[path] = f.read()
		return self._text[path]

	def lines(self, path):
		return self.text(path).split("\n")

	def code(self, path):
		"""C without comments and without what is between quotes; lines stay where they are."""
		if path not in self._code:
			self._code[path] = strip_c(self.text(path))
		return self._code[path]

	def includes(self, path):
		"""[(line, 'core/x.h' or 'stdio.h', is_quoted)]; read with strings intact, and not inside comments."""
		found = []
		without_comments = strip_c(self.text(path), keep_strings=True)
		for number, line in enumerate(without_comments.split("\n"), 1):
			m = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
			if m:
				found.append((number, m.group(2), m.group(1) == '"'))
		return found

	def reaches(self, path):
		"""Every header of ours that path includes, directly or not: {header: the chain that leads there}."""
		chains = {}
		waiting = [(path, (path,))]
		while waiting:
			at, chain = waiting.pop()
			for _, name, quoted in self.includes(at):
				if quoted and name in self.files and name not in chains:
					chains[name] = chain + (name,)
					waiting.append((name, chains[name]))
		return chains


TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def strip_c(text, keep_strings=False):
	def blank(match):
		token = match.group(0)
		if token[0] in "\"'":
			return token if keep_strings else token[0] + token[0]
		return "\n" * token.count("\n") or " "

	return TOKEN.sub(blank, text)


def comments(text):
	"""[(line, comment)] of a C file."""
	return [(text.count("\n", 0, m.start()) + 1, m.group(0))
		for m in TOKEN.finditer(text) if m.group(0)[0] == "/"]
