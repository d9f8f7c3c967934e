#!/usr/bin/env python3
"""standin - a small slow relay that keeps ringpostd's contract, or breaks it in one chosen way

It exists to test the tests: a loop that kills an engine 500 times and finds nothing proves something
only if it does find a relay that loses, alters or repeats mail. tests/e2e/canary.py runs it with each
fault and demands that the harness notices.

    standin.py -c DIR [-o name=value]...

It reads the main.cf names that tests/lib/engine.py writes. Spool: QUEUEID.msg (written, fsynced,
renamed) with one line "try N" or "done N" appended to QUEUEID.log per recipient.

standin_fault = none
    early_250   answers before the message is in the spool
    alter       changes one octet of every tenth message
    unstuffed   does not double leading dots
    twice       delivers every tenth recipient again, silently
    quiet       repeats what was under way before a crash without saying so
    forget      settles a recipient before it was delivered
"""

import asyncio
import collections
import itertools
import json
import os
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import mails  # noqa: E402
import sink  # noqa: E402
import world  # noqa: E402


def read_conf(argv):
    conf = {"standin_fault": "none", "smtp_tcp_port": "25", "standin_sessions": "20"}
    folder = argv[argv.index("-c") + 1]
    with open(os.path.join(folder, "main.cf"), encoding="utf-8") as lines:
        pairs = [line.split("=", 1) for line in lines if "=" in line and not line.startswith("#")]
    pairs += [argv[i + 1].split("=", 1) for i, a in enumerate(argv) if a == "-o"]
    conf.update({k.strip(): v.strip() for k, v in pairs})
    return conf


class Message:
    def __init__(self, qid, sender, rcpts, content):
        self.qid, self.sender, self.rcpts, self.content = qid, sender, rcpts, content
        self.open = set(range(len(rcpts)))


class Relay:
    def __init__(self, conf):
        self.conf = conf
        self.fault = conf["standin_fault"]
        self.spool = conf["spool_directory"]
        self.count = collections.Counter()
        self.queue = asyncio.Queue()
        self.queued = 0
        self.serial = itertools.count(1)
        self.run = "%X" % (time.time_ns() // 1000)
        self.log_fd = os.open(conf["maillog_file"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.names = {}

    def log(self, text):
        os.write(self.log_fd, ("%s engine ringpost/smtp[%d]: %s\n" % (
            time.strftime("%b %d %H:%M:%S"), os.getpid(), text)).encode())

    def metrics(self):
        self.count["queued"] = self.queued
        path = self.conf["metrics_file"]
        names = ("accepted_total", "sent_total", "bounced_total", "deferred_total",
                 "ambiguous_redelivery_total", "queued")
        with open(path + ".new", "w", encoding="ascii") as out:
            for name in names:
                out.write("ringpost_%s %d\n" % (name, self.count[name]))
        os.rename(path + ".new", path)

    # ---- spool

    def path(self, qid, kind):
        return os.path.join(self.spool, "%s.%s" % (qid, kind))

    def store(self, message):
        with open(self.path(message.qid, "new"), "wb") as out:
            out.write(json.dumps([message.sender, message.rcpts]).encode() + b"\n" + message.content)
            out.flush()
            os.fsync(out.fileno())
        os.rename(self.path(message.qid, "new"), self.path(message.qid, "msg"))

    def mark(self, message, word, index):
        try:
            with open(self.path(message.qid, "log"), "a", encoding="ascii") as out:
                out.write("%s %d\n" % (word, index))
        except OSError:         # a full disk: a crash now would repeat this recipient unannounced
            self.count["unmarked"] += 1

    def settle(self, message, index, counter):
        message.open.discard(index)
        self.mark(message, "done", index)
        self.count[counter] += 1
        self.queued -= 1
        if not message.open:
            for kind in ("msg", "log"):
                if os.path.exists(self.path(message.qid, kind)):
                    os.unlink(self.path(message.qid, kind))

    def recover(self):
        for name in sorted(os.listdir(self.spool)):
            if not name.endswith(".msg"):
                continue
            qid = name[:-4]
            with open(os.path.join(self.spool, name), "rb") as f:
                sender, rcpts = json.loads(f.readline())
                message = Message(qid, sender, rcpts, f.read())
            tried = set()
            if os.path.exists(self.path(qid, "log")):
                with open(self.path(qid, "log"), encoding="ascii") as f:
                    for word, index in (line.split() for line in f if line.endswith("\n")):
                        (tried.add if word == "try" else message.open.discard)(int(index))
            for index in tried & message.open:
                if self.fault != "quiet":
                    self.log("%s: to=<%s>, recovered, may be delivered twice" % (qid, rcpts[index]))
                    self.count["ambiguous_redelivery_total"] += 1
            self.enqueue(message)

    def enqueue(self, message):
        self.queued += len(message.open)
        groups = collections.defaultdict(list)
        for index in sorted(message.open):
            groups[message.rcpts[index].rpartition("@")[2]].append(index)
        for domain, indexes in groups.items():
            self.queue.put_nowait((message, domain, indexes))

    # ---- in

    async def serve(self, reader, writer):
        say = lambda text: writer.write(text.encode() + b"\r\n")
        sender, rcpts, chunks = None, [], b""
        say("220 engine.test ESMTP standin")
        try:
            while True:
                line = (await reader.readuntil(b"\r\n"))[:-2]
                verb = line[:4].upper()
                if verb == b"EHLO":
                    say("250-engine.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE\r\n"
                        "250-CHUNKING\r\n250 ENHANCEDSTATUSCODES")
                elif verb == b"MAIL":
                    sender, rcpts, chunks = sink.ADDRESS.search(line).group(1).decode(), [], b""
                    say("250 2.1.0 Ok")
                elif verb == b"RCPT":
                    rcpts.append(sink.ADDRESS.search(line).group(1).decode())
                    say("250 2.1.5 Ok")
                elif verb == b"DATA":
                    say("354 go ahead")
                    raw = b""
                    while raw != b".\r\n" and not raw.endswith(b"\r\n.\r\n"):
                        raw += await reader.readuntil(b".\r\n")
                    say(await self.accept(sender, rcpts, sink.unstuff(raw[:-3])))
                elif verb == b"BDAT":
                    words = line.split()
                    chunks += await reader.readexactly(int(words[1]))
                    if len(words) > 2:
                        say(await self.accept(sender, rcpts, mails.canonical(chunks)))
                    else:
                        say("250 2.0.0 Ok")
                elif verb == b"QUIT":
                    say("221 2.0.0 Bye")
                    break
                else:
                    say("250 2.0.0 Ok")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()

    async def accept(self, sender, rcpts, content):
        qid = "%s%X" % (self.run, next(self.serial))
        trace = b"Received: from injector.test ([127.0.0.1])\r\n" \
            b"\tby engine.test (standin) with ESMTP id " + qid.encode()
        message = Message(qid, sender, rcpts, trace + b";\r\n\tSun, 1 Mar 2026 00:00:00 +0000\r\n" + content)
        if self.fault == "early_250":
            asyncio.get_running_loop().call_later(0.03, self.take, message)
        else:
            try:
                self.take(message)
            except OSError:
                return "452 4.3.1 no room"
        return "250 2.0.0 Ok: queued as " + qid

    def take(self, message):
        self.store(message)
        self.count["accepted_total"] += 1
        self.enqueue(message)

    # ---- out

    def resolve(self, domain):
        """Host addresses in the order to try; an empty list is a null MX."""
        host, _, port = self.conf["dns_servers"].rpartition(":")
        records = world.ask(host, int(port), domain, 15).records
        pairs = sorted((int(r.split()[0]), r.split()[1] if " " in r.strip() else "") for k, r in records if k == 15)
        if len(pairs) == 1 and not pairs[0][1]:
            return []
        names = [name for _, name in pairs] or [domain]
        return [r for n in names for k, r in world.ask(host, int(port), n, 1).records if k == 1]

    async def worker(self):
        while True:
            message, domain, indexes = await self.queue.get()
            if domain not in self.names:
                self.names[domain] = await asyncio.get_running_loop().run_in_executor(None, self.resolve, domain)
            if not self.names[domain]:
                for index in indexes:
                    self.log("%s: to=<%s>, relay=none, dsn=5.1.10, status=bounced (null MX)" % (
                        message.qid, message.rcpts[index]))
                    self.settle(message, index, "bounced_total")
                continue
            for address in self.names[domain]:
                try:
                    await self.deliver(message, indexes, address)
                    break
                except (OSError, asyncio.IncompleteReadError):
                    continue
            else:
                for index in indexes:
                    self.count["deferred_total"] += 1
                    self.log("%s: to=<%s>, relay=none, dsn=4.4.1, status=deferred" % (
                        message.qid, message.rcpts[index]))
                asyncio.get_running_loop().call_later(0.2, self.queue.put_nowait, (message, domain, indexes))

    async def deliver(self, message, indexes, address):
        if self.fault == "forget":
            for index in message.open & set(indexes):
                self.settle(message, index, "sent_total")
        reader, writer = await asyncio.open_connection(address, int(self.conf["smtp_tcp_port"]), limit=1 << 20)
        try:
            repeat = self.fault == "twice" and message.qid.endswith("A")
            for _ in range(2 if repeat else 1):
                reply = await self.dialogue(reader, writer, message, indexes)
        finally:
            writer.close()
        for index in indexes:
            if self.fault == "forget":
                break
            if reply[:1] == b"2":
                self.log("%s: to=<%s>, relay=%s[%s]:%s, delay=0, delays=0/0/0/0, dsn=2.0.0, status=sent (%s)" % (
                    message.qid, message.rcpts[index], address, address, self.conf["smtp_tcp_port"], reply.decode()))
                self.settle(message, index, "sent_total")
        if reply[:1] != b"2":
            raise OSError(reply)

    async def dialogue(self, reader, writer, message, indexes):
        async def reply():
            line = await reader.readuntil(b"\r\n")
            while line[3:4] == b"-":
                line = await reader.readuntil(b"\r\n")
            return line.strip()
        if getattr(reader, "greeted", None) is None:
            reader.greeted = await reply()
            writer.write(b"EHLO engine.test\r\n")
            await reply()
        writer.write(("MAIL FROM:<%s>\r\n" % message.sender).encode() + b"".join(
            b"RCPT TO:<%s>\r\n" % message.rcpts[i].encode() for i in indexes) + b"DATA\r\n")
        answers = [await reply() for _ in range(len(indexes) + 2)]
        if answers[-1][:3] != b"354" or any(a[:1] != b"2" for a in answers[:-1]):
            raise OSError(answers[-1])
        content = message.content
        if self.fault == "alter" and message.qid.endswith("A"):
            content = content[:-3] + b"#\r\n"
        if self.fault != "forget":
            for index in indexes:
                self.mark(message, "try", index)
        writer.write(content + b".\r\n" if self.fault == "unstuffed" else mails.stuff(content))
        await writer.drain()
        return await reply()


async def main():
    conf = read_conf(sys.argv)
    relay = Relay(conf)
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    for sig in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sig, over.set)
    relay.recover()
    host, _, port = conf["inject_smtp_listen"].rpartition(":")
    server = await asyncio.start_server(relay.serve, host, int(port), limit=1 << 26)
    crew = [loop.create_task(relay.worker()) for _ in range(int(conf["standin_sessions"]))]
    while not over.is_set():
        relay.metrics()
        try:
            await asyncio.wait_for(over.wait(), 0.5)
        except asyncio.TimeoutError:
            pass
    server.close()
    end = time.monotonic() + 5
    while relay.queued and time.monotonic() < end:
        await asyncio.sleep(0.05)
    for one in crew:
        one.cancel()
    relay.metrics()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except OSError as problem:
        sys.exit("standin: %s" % problem)
