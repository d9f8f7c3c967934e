"""smtp_server - npm's smtp-server, the one that JavaScript people test with"""

import os
import subprocess

import e2e
from peers import root

MODULES = os.path.join(root.PEERS, "npm", "node_modules")


class SmtpServer:
    name = "smtp-server"
    chunking = False
    lmtp = False

    @staticmethod
    def is_here():
        return os.path.isdir(MODULES)

    def __init__(self, stage, pipelining=True, **_):
        self.host, self.port = "127.0.0.1", e2e.free_port()
        self.dir = stage.path(self.name)
        os.makedirs(self.dir)
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "smtp_server.js")
        with open(os.path.join(self.dir, "output"), "ab") as log:
            self.process = e2e.Process("node", ["node", script, str(self.port), self.dir, "yes" if pipelining else "no",
                                                root.PKI], stdout=log, stderr=subprocess.STDOUT, env={**os.environ, "NODE_PATH": MODULES})
        e2e.wait_for("the greeting of smtp-server", lambda: e2e.greets(self.host, self.port), 20)

    def delivered(self):
        """(recipients, content) of everything stored."""
        return root.stored(self.dir)

    def stop(self):
        self.process.stop()
