#!/usr/bin/env python3
"""dns_server.py - a DNS server that misbehaves on request (rows DNS-01, DNS-03 to DNS-08).

usage: dns_server.py [ADDRESS]

Serves UDP and TCP on one free port of ADDRESS (127.0.0.1), prints the port as its first line, and ends when its
standard input does. What it answers is chosen by the first label of the name:

    slow<N>      the right answer after N milliseconds
    drop         nothing, ever             drop1        nothing to the first question, then the right answer
    wrongid      three answers with wrong ids, then the right one
    forged       only answers with wrong ids
    othername    an answer to another question, then the right one
    empty        a datagram without octets, then the right answer
    twice        the right answer, twice
    garbled      a record that reaches beyond the end
    shortmx      an MX record of two octets
    tc           truncated by UDP, 60 records by TCP
    tcrst        truncated by UDP, then TCP connections that are reset
    tcrefused    truncated by UDP, by TCP an early end in the middle of the answer
    noedns       FORMERR while the question has an OPT record
    rcode<N>     that rcode
    alias        an alias to target.test and nothing else; aliascircle: to itself
    chain<N>     alias after alias, one per answer, to target.test
    null         the null MX
    ttl<N>       the right answer with that TTL
    nothing      no such records, an SOA that says for 60 s; nx: no such name
    anything     else: MX 10 mx.<name>; SRV 10 5 587 mx.<name>; A 192.0.2.1; AAAA 2001:db8::1; a TLSA record
"""
import re
import selectors
import socket
import struct
import sys
import time

A, CNAME, SOA, MX, TXT, AAAA, SRV, OPT, TLSA = 1, 5, 6, 15, 16, 28, 33, 41, 52
NXDOMAIN, FORMERR, SERVFAIL = 3, 1, 2


def wire_name(text):
    return b"".join(bytes([len(l)]) + l.encode() for l in text.split(".") if l) + b"\0"


def record(owner, rtype, rdata, ttl=300):
    return owner + struct.pack(">HHIH", rtype, 1, ttl, len(rdata)) + rdata


class Question:
    def __init__(self, packet):
        self.id, self.flags, _, _, _, additionals = struct.unpack(">6H", packet[:12])
        at, labels = 12, []
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin-1"))
            at += 1 + packet[at]
        self.name = ".".join(labels).lower()
        self.type, _ = struct.unpack(">HH", packet[at + 1:at + 5])
        self.wire = packet[12:at + 5]
        self.has_opt = additionals > 0


def answer(q, answers=(), authorities=(), rcode=0, flags=0x8180, qid=None, wire=None):
    head = struct.pack(">6H", q.id if qid is None else qid, flags | rcode, 1, len(answers), len(authorities), 0)
    return head + (q.wire if wire is None else wire) + b"".join(answers) + b"".join(authorities)


def right(q, ttl=300):
    here = b"\xc0\x0c"
    if q.type == MX:
        return answer(q, [record(here, MX, b"\0\x0a\x02mx" + here, ttl)])
    if q.type == A:
        return answer(q, [record(here, A, bytes([192, 0, 2, 1]), ttl)])
    if q.type == AAAA:
        return answer(q, [record(here, AAAA, bytes([0x20, 1, 0x0d, 0xb8] + [0] * 11 + [1]), ttl)])
    if q.type == SRV:
        return answer(q, [record(here, SRV, struct.pack(">3H", 10, 5, 587) + b"\x02mx" + here, ttl)])
    if q.type == TLSA:
        return answer(q, [record(here, TLSA, b"\3\1\1" + bytes(32), ttl)])
    return nothing(q)


def nothing(q, rcode=0):
    soa = wire_name("ns.test") + wire_name("hostmaster.test") + struct.pack(">5I", 1, 1, 1, 1, 60)
    return answer(q, authorities=[record(wire_name("test"), SOA, soa)], rcode=rcode)


def alias(q, target):
    return answer(q, [record(b"\xc0\x0c", CNAME, wire_name(target))])


def large(q):
    host = "mx%d.long-name-of-a-mail-server.test"
    return answer(q, [record(b"\xc0\x0c", MX, struct.pack(">H", i) + wire_name(host % i)) for i in range(60)])


class Server:
    def __init__(self, address):
        self.selector = selectors.DefaultSelector()
        for _ in range(100):
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.udp.bind((address, 0))
            self.tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            try:
                self.tcp.bind(self.udp.getsockname())
                break
            except OSError:
                self.udp.close()
                self.tcp.close()
        self.tcp.listen(64)
        self.tcp.setblocking(False)
        self.udp.setblocking(False)
        self.seen = {}
        self.later = []     # (when, packet, peer)
        self.selector.register(self.udp, selectors.EVENT_READ, self.on_udp)
        self.selector.register(self.tcp, selectors.EVENT_READ, self.on_accept)
        self.selector.register(sys.stdin, selectors.EVENT_READ, None)
        print(self.udp.getsockname()[1], flush=True)

    def run(self):
        while True:
            wait = max(0.0, min((w for w, _, _ in self.later), default=time.monotonic() + 60) - time.monotonic())
            for key, _ in self.selector.select(wait):
                if key.data is None:
                    if not sys.stdin.buffer.read1(1):
                        return
                else:
                    key.data(key.fileobj)
            now = time.monotonic()
            due = [item for item in self.later if item[0] <= now]
            self.later = [item for item in self.later if item[0] > now]
            for _, packet, peer in due:
                self.udp.sendto(packet, peer)

    def on_udp(self, sock):
        try:
            packet, peer = sock.recvfrom(4096)
        except OSError:
            return
        q = Question(packet)
        for reply in self.udp_replies(q, peer):
            sock.sendto(reply, peer)

    def udp_replies(self, q, peer):
        first = q.name.split(".")[0]
        number = int(re.sub(r"^\D*", "", first) or 0)
        word = first if first == "drop1" else re.sub(r"\d+$", "", first)
        self.seen[q.name] = self.seen.get(q.name, 0) + 1
        wrong = [answer(q, qid=(q.id + n) & 0xffff) for n in (1, 2, 0x8000)]
        if word == "slow":
            self.later.append((time.monotonic() + number / 1000, right(q), peer))
            return []
        return {
            "drop": lambda: [],
            "drop1": lambda: [right(q)] if self.seen[q.name] > 1 else [],
            "wrongid": lambda: wrong + [right(q)],
            "forged": lambda: wrong,
            "othername": lambda: [answer(q, wire=wire_name("other.test") + q.wire[-4:]), right(q)],
            "empty": lambda: [b"", right(q)],
            "twice": lambda: [right(q), right(q)],
            "garbled": lambda: [answer(q, [record(b"\xc0\x0c", q.type, b"\0\x0a")[:-1]])],
            "shortmx": lambda: [answer(q, [record(b"\xc0\x0c", MX, b"\0\x0a")])],
            "tc": lambda: [answer(q, flags=0x8380)],
            "tcrst": lambda: [answer(q, flags=0x8380)],
            "tcrefused": lambda: [answer(q, flags=0x8380)],
            "noedns": lambda: [answer(q, rcode=FORMERR) if q.has_opt else right(q)],
            "rcode": lambda: [answer(q, rcode=number)],
            "alias": lambda: [alias(q, "target.test")],
            "aliascircle": lambda: [alias(q, q.name)],
            "chain": lambda: [alias(q, "chain%d.test" % (number - 1) if number > 1 else "target.test")],
            "null": lambda: [answer(q, [record(b"\xc0\x0c", MX, b"\0\0\0")])],
            "ttl": lambda: [right(q, number)],
            "nothing": lambda: [nothing(q)],
            "nx": lambda: [nothing(q, NXDOMAIN)],
        }.get(word, lambda: [right(q)])()

    def on_accept(self, sock):
        try:
            conn, _ = sock.accept()
        except OSError:
            return
        self.selector.register(conn, selectors.EVENT_READ, self.on_tcp)

    def on_tcp(self, conn):
        conn.settimeout(2)
        try:
            head = conn.recv(2, socket.MSG_WAITALL)
            packet = conn.recv(struct.unpack(">H", head)[0], socket.MSG_WAITALL) if len(head) == 2 else b""
            if packet:
                self.tcp_reply(conn, Question(packet))
                return
        except OSError:
            pass
        self.drop(conn)

    def tcp_reply(self, conn, q):
        reply = large(q)
        framed = struct.pack(">H", len(reply)) + reply
        if q.name.startswith("tcrst"):
            conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.drop(conn)
        elif q.name.startswith("tcrefused"):
            conn.sendall(framed[:100])
            self.drop(conn)
        else:
            conn.sendall(framed)

    def drop(self, conn):
        self.selector.unregister(conn)
        conn.close()


if __name__ == "__main__":
    Server(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1").run()
