"""A two-minute tour of n8n-medic: `make demo`. Everything that it needs it starts itself, and ends again.

DEMO_EXIT=1 (or CI=true) ends it where the pages would be left up; the exit code is not 0 where something did not
happen as told.
"""

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from recovery.alerts.messages import render
from recovery.clock import utc_now
from tests.demo_history import History
from tests.demo_stage import DemoStage, NotAsTold, make_n8n
from tests.demo_voice import Voice
from tests.n8n import workflows as flow
from tests.standins.service import Answer, hang

ORDERS = [f"A-{number}" for number in range(101, 111)]
INVOICE = "invoice-7"


class Tour:
    """The story, a chapter at a time."""

    def __init__(self, stage: DemoStage, voice: Voice):
        self.stage, self.voice = stage, voice
        self.history = History(stage.medic, voice)

    def run(self) -> None:
        """Tell and do everything. Raises NotAsTold."""
        self.introduce()
        self.kill_the_shop()
        self.break_the_orders()
        self.reach_a_person()
        self.point_to_the_pages()

    def introduce(self) -> None:
        stage, tell = self.stage, self.voice.tell
        self.voice.chapter("n8n-medic: a two-minute tour")
        if stage.is_real:
            tell(f"Your n8n at {stage.n8n.url} plays along: the tour makes workflows there, and deletes them.")
        else:
            tell(
                "n8n is played by the test suite's stand-in, which behaves as n8n 2.40 does. (To take the tour on a "
                "real one, set MEDIC_N8N_URL and MEDIC_N8N_API_KEY.)"
            )
        tell(
            "n8n-medic itself is the real one: web, worker and database, in processes of their own. A mail server and "
            "a phone of the tour's own take its messages.",
            "Its stages are short here: at once, after 4 s, after 8 s. By default: at once, after 1 min, after 5 min.",
        )
        stage.start()
        self.voice.so(f"n8n-medic is up at {stage.medic.url}/ and has found n8n.")

    # -- 1

    def kill_the_shop(self) -> None:
        stage, voice = self.stage, self.voice
        voice.chapter(
            "1  A service dies",
            "The shop is a process of its own. n8n-medic checks it every second and knows how to restart it.",
        )
        old = stage.shop_process()
        voice.we(f"kill -9 {old}   (the shop)")
        began = time.monotonic()
        os.kill(old, signal.SIGKILL)
        stage.wait("the shop is open again", self._follow_until("shop", lambda one: self._shop_is_up(old)))
        took = time.monotonic() - began
        self._resolved("shop")
        voice.so(f"The shop was away for {took:.1f} s. It runs again, as process {stage.shop_process()}.")

    def _shop_is_up(self, old: int) -> bool:
        if self.stage.shop_process() == old:
            return False
        try:
            return requests.get(f"http://127.0.0.1:{self.stage.shop_port}/", timeout=1).ok
        except requests.RequestException:
            return False

    # -- 2

    def break_the_orders(self) -> None:
        stage, voice = self.stage, self.voice
        voice.chapter(
            "2  A workflow fails, ten times",
            "A workflow in n8n takes orders and places each at orders-api, which answers 503 from now on.",
        )
        call = flow.http("Place the order", f"={stage.orders.url}/order?id={{{{ $json.body.id }}}}", "POST")
        path = stage.workflow("Take an order", call)
        stage.orders.behave("/order", 503)
        voice.we(f"send {len(ORDERS)} orders, {ORDERS[0]} to {ORDERS[-1]}: every one of them fails")
        for order in ORDERS:
            stage.n8n.call(path, {"id": order})
        # A canary that fails first, so that the next stage is seen.
        first_failed = lambda one: one["recovery"] and one["recovery"]["state"] == "waiting"  # noqa: E731
        stage.wait("the first attempt fails", self._follow_until("orders-api", first_failed))
        stage.wait("all orders are known", lambda: len(self._broken("orders-api")) == len(ORDERS))
        voice.so(f"{len(ORDERS)} failures of one cause are one incident, and one message to you.")
        voice.we("orders-api is well again")
        stage.orders.behave("/order", 200)
        self._resolved("orders-api", 60)
        self._count_orders()

    def _broken(self, component: str) -> list[dict[str, Any]]:
        incident = self.stage.incident(component)
        return incident["executions"] if incident else []

    def _count_orders(self) -> None:
        placed = [call.id for call in self.stage.orders.calls("/order") if call.answered == 200]
        if sorted(placed) != sorted(ORDERS):
            raise NotAsTold(f"each of {ORDERS} placed exactly once; orders-api took {placed}")
        if len(self.stage.medic.incidents(component="orders-api")) != 1:
            raise NotAsTold("one incident for all orders")
        counted = "   ".join(f"{order} ×{placed.count(order)}" for order in ORDERS)
        self.voice.so(f"orders-api counted, of orders that it took: {counted}")
        if self._text_message("orders-api"):
            raise NotAsTold("the phone stays silent about orders-api")
        self.voice.so(f"{len(ORDERS)} orders, each placed exactly once. Your phone stayed silent.")

    # -- 3

    def reach_a_person(self) -> None:
        stage, voice = self.stage, self.voice
        voice.chapter("3  What no machine should heal", "Two more workflows. One of them writes to customers-api ...")
        put = flow.http("Write the customer", f"{stage.customers.url}/customers", "PUT")
        customers = stage.workflow("Update customers", put)
        stage.customers.behave("/customers", 401)
        voice.we("its credential has expired: customers-api answers 401")
        stage.n8n.call(customers, {"id": "c1"})
        self._needs_human("customers-api")
        if len(stage.customers.calls()) != 1:
            raise NotAsTold("a credential failure is not retried")
        voice.tell("... and the other one pays invoices.")
        url = f"={stage.payments.url}/pay?id={{{{ $json.body.id }}}}"
        invoices = stage.workflow("Pay an invoice", flow.http("Pay", url, "POST", timeout_ms=700))
        stage.payments.behave("/pay", hang(1.5), Answer())
        voice.we(f"pay {INVOICE}: the payment is made, but its answer comes too late")
        stage.n8n.call(invoices, {"id": INVOICE})
        self._needs_human("payments-api")
        if stage.payments.counts("/pay") != {INVOICE: 1}:
            raise NotAsTold(f"{INVOICE} paid once; {stage.payments.counts('/pay')}")
        voice.so(f"{INVOICE} was sent once and not again: only a person can know whether it was paid.")
        self.show_messages()

    def show_messages(self) -> None:
        stage, voice = self.stage, self.voice
        mails = [
            stage.wait(f"a mail about {name}", lambda name=name: stage.mail_about(name, "Recovery failed"))
            for name in ("customers-api", "payments-api")
        ]
        rang = stage.wait("the phone rings", lambda: self._text_message("Recovery failed - payments-api"))
        stage.wait("the chat has it", lambda: self._chat("payments-api"))
        voice.message("your mailbox, just now: the expired credential", mails[0].part("plain"))
        voice.message("your mailbox, just now: the payment", mails[1].part("plain"))
        voice.message("your phone (critical ones only)", rang)
        facts = self._chat("payments-api")
        korean = render(facts, "ko", key=facts["key"], now=utc_now())
        voice.message("the same in Korean, as `alerts: {language: ko}` sends it", korean.text)

    def _text_message(self, words: str) -> str:
        texts = [posted.form["Body"] for posted in list(self.stage.phone.requests)]
        return next((text for text in texts if words in text), "")

    def _chat(self, component: str) -> Any:
        bodies = [posted.json for posted in list(self.stage.chat.requests)]
        asked = [one for one in bodies if one["component"] == component and one["kind"] == "needs_human"]
        return asked[0] if asked else None

    # -- and then

    def point_to_the_pages(self) -> None:
        stage, voice = self.stage, self.voice
        stage.customers.behave("/customers", 200)
        voice.chapter("Now have a look yourself")
        lines = (
            f"Page       {stage.medic.url}/",
            "User       admin",
            f"Password   {stage.password}",
            "",
            "Two things wait there for you:",
            "- payments-api asks whether the payment may run again. It is yours to decide.",
            "- customers-api waits for a credential. The tour has just renewed it: press Retry now.",
        )
        voice.message("the pages are up", "\n".join(lines), "green")

    def wait_for_the_reader(self) -> None:
        """Tell what the reader's buttons do, until Ctrl-C."""
        self.voice.tell("What you order there is told here. Ctrl-C ends the tour and everything that it started.")
        while True:
            self.history.follow_all()
            time.sleep(0.5)

    # -- looking

    def _follow_until(self, component: str, done: Callable[[dict[str, Any]], Any]) -> Callable[[], Any]:
        def look() -> Any:
            incident = self.history.follow(component)
            return incident if incident and done(incident) else None

        return look

    def _resolved(self, component: str, seconds: float = 30.0) -> None:
        done = self._follow_until(component, lambda one: one["state"] == "resolved")
        self.stage.wait(f"the incident of {component} is resolved", done, seconds)

    def _needs_human(self, component: str) -> None:
        done = self._follow_until(component, lambda one: one["state"] == "needs_human")
        self.stage.wait(f"a person is called about {component}", done)


def main() -> int:
    """Take the tour; the exit code."""
    # SIGINT too: a shell that starts it in the background hands it down ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    leave = bool(os.environ.get("DEMO_EXIT")) or os.environ.get("CI") == "true"
    n8n = make_n8n()
    voice = Voice(hurried=leave)
    with tempfile.TemporaryDirectory(prefix="n8n-medic-demo-") as folder:
        stage = DemoStage(Path(folder), n8n)
        if stage.is_real and not leave and not _agrees(n8n.url):
            return 0
        try:
            return take(Tour(stage, voice), leave)
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # an impatient second Ctrl-C must not stop the clearing up
            stage.close()


def take(tour: Tour, leave: bool) -> int:
    """The tour from start to end: 0, 1 where it did not go as told, 130 where it was broken off."""
    told = False
    try:
        tour.run()
        told = True
        if not leave:
            tour.wait_for_the_reader()
    except (NotAsTold, AssertionError, requests.RequestException) as problem:
        log = tour.stage.medic.folder / "log"
        print(f"\nThis did not go as told: {problem}\n", file=sys.stderr)
        print(log.read_text(errors="replace")[-4000:] if log.exists() else "", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        tour.voice.tell("", "Clearing up ...")
        return 0 if told else 130
    tour.voice.tell("Everything happened as told. Clearing up ...")
    return 0


def _agrees(url: str) -> bool:
    if not sys.stdin.isatty():
        return True
    print(f"MEDIC_N8N_URL is set: the tour would run on your n8n at {url}. It makes workflows of its own there and")
    print("deletes them, and until it ends it also retries what fails in your other workflows. Take a test n8n.")
    return input("Go on? [y/N] ").strip().lower() in ("y", "yes")


if __name__ == "__main__":
    sys.exit(main())
