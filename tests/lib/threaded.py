"""threaded - a server of a test's own, for what needs Python's ssl module: a thread for each connection

    class Server(threaded.Server):
        def serve(self, conn): ...      # an exception is the class's affair; a silent client is given up after 20 s
    server.listen(address, port); server.stop()
"""

import socket
import threading


class Server:
    def listen(self, address, port):
        self.listener = socket.create_server((address, port), reuse_port=True)
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                conn = self.listener.accept()[0]
            except OSError:
                return
            conn.settimeout(20)
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()
