"""A server's management controller for tests: a real HTTPS server with the answers of the Redfish specification."""

import base64
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SYSTEM = "/redfish/v1/Systems/System.Embedded.1"
RESET = f"{SYSTEM}/Actions/ComputerSystem.Reset"
LOGIN = "Basic " + base64.b64encode(b"medic:hunter2hunter2").decode()


class Controller:
    """One server, `System.Embedded.1`, behind the login medic / hunter2hunter2.

    Fields:
        system: its resource. asked: method, path and body of each question that had the right login.
        turned_away: how many had not.
        reset: how a reset is answered: a status and a body; or a function of the handler.
    """

    def __init__(self, context: ssl.SSLContext):
        self.asked: list[tuple[str, str, bytes]] = []
        self.turned_away = 0
        self.reset = (204, None)
        allowed = ["On", "ForceOff", "ForceRestart", "GracefulRestart", "PushPowerButton", "Nmi"]
        self.system = {
            "@odata.id": SYSTEM,
            "@odata.type": "#ComputerSystem.v1_20_0.ComputerSystem",
            "Id": "System.Embedded.1",
            "Name": "System",
            "PowerState": "On",
            "Actions": {"#ComputerSystem.Reset": {"target": RESET, "ResetType@Redfish.AllowableValues": allowed}},
        }
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        # The handshake is each connection's own: one that hangs holds up no other.
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self._server.server_address[1]
        self.url = f"https://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def resets(self) -> list[str]:
        """The ResetTypes that were posted."""
        return [json.loads(body)["ResetType"] for method, path, body in self.asked if (method, path) == ("POST", RESET)]

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


def problem(name: str) -> dict:
    """An error as the specification writes it."""
    info = {"@odata.type": "#Message.v1_1_2.Message", "MessageId": f"Base.1.18.{name}", "Message": "hunter2hunter2"}
    return {"error": {"code": f"Base.1.18.{name}", "message": "See it.", "@Message.ExtendedInfo": [info]}}


def _handler(controller: Controller) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if self.headers.get("authorization") != LOGIN:
                controller.turned_away += 1
                return self.say(401, problem("NoValidSession"))
            controller.asked.append((self.command, self.path, body))
            if (self.command, self.path) == ("GET", SYSTEM):
                return self.say(200, controller.system)
            if (self.command, self.path) != ("POST", RESET):
                return self.say(404, problem("ResourceMissingAtURI"))
            return controller.reset(self) if callable(controller.reset) else self.say(*controller.reset)

        do_GET = do_POST = do

        def say(self, status: int, body: dict | bytes | None, **headers: str) -> None:
            text = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("OData-Version", "4.0")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *args: object) -> None:
            pass

    return Handler
