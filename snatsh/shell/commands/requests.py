# SPDX-License-Identifier: Apache-2.0
"""`request`, `file`, and commands about past and pending commits."""

from __future__ import annotations

from functools import partial

from snatsh.shell.core.answers import (
    CONFIGURATION,
    TABLE,
    Answer,
    Configuration,
    Difference,
    Message,
    TableAnswer,
)
from snatsh.shell.core.command import Argument, Command, CommandSet
from snatsh.shell.core.config_files import shipped_profiles
from snatsh.shell.core.grammar import Call, Choice, State, Value
from snatsh.shell.core.session import Session
from snatsh.shell.core.values import ADDRESS, COMMITTED, FILE
from snatsh.shell.render import system_tables

OPERATIONAL = CommandSet()


@OPERATIONAL.command("request system commit abort", "Roll back the pending confirmed commit")
def abort(session: Session) -> Answer:
    session.client.abort()
    session.refresh()
    return Message("commit was rolled back")


@OPERATIONAL.command("clear system commit", "Cancel the scheduled commit")
def unschedule(session: Session) -> Answer:
    cancelled = session.client.unschedule()
    return Message(f"commit requested by {cancelled.user} for {cancelled.at} will not be executed")


@OPERATIONAL.command(
    "request system configuration rescue save", "Save the running configuration as rescue configuration"
)
def save_rescue(session: Session) -> Answer:
    session.client.save_rescue()
    return Message("rescue configuration saved")


@OPERATIONAL.command("request system configuration rescue delete", "Delete the rescue configuration")
def delete_rescue(session: Session) -> Answer:
    session.client.delete_rescue()
    return Message("rescue configuration deleted")


@OPERATIONAL.command(
    "show system configuration rescue", "Show the rescue configuration", answers=CONFIGURATION
)
def show_rescue(session: Session) -> Answer:
    return Configuration(session.client.committed("rescue"))


@OPERATIONAL.command(
    "request pool drain",
    "Give a pool address no new flows; existing ones go on",
    Argument("address", "Address of a pool", ADDRESS),
)
def drain(session: Session, address: str) -> Answer:
    session.client.drain_address(address)
    return Message(f"{address} gets no new flows until `request pool restore {address}`")


@OPERATIONAL.command(
    "request pool restore",
    "Give a drained pool address new flows again",
    Argument("address", "Address that is drained", ADDRESS),
)
def restore(session: Session, address: str) -> Answer:
    session.client.restore_address(address)
    return Message(f"{address} gets new flows")


def _link_state() -> State:
    """`request link NAME down|up|drain`."""
    orders = {
        "down": "Take the link out of use; end its flows if flows end is configured",
        "drain": "Keep existing flows and send no new ones",
        "up": "Return the link to control by carrier and probes",
    }

    def ordered(name: object, word: str, _: object) -> State:
        return State((), Call(order_link, {"name": name, "order": word}))

    def order(name: object) -> State:
        return State(
            tuple(Choice(word, help_, partial(ordered, name, word)) for word, help_ in orders.items())
        )

    return State((Choice("<name>", "Link name", order, Value("<name>", str, (("live", "link"),))),))


def order_link(session: Session, name: str, order: str) -> Answer:
    done = session.client.order_link(name, order)
    return Message(f"link {done.name} is {done.state}: {done.reason}")


OPERATIONAL.add(
    Command(("request", "link"), "Change the administrative state of a link", order_link, start=_link_state)
)


def _rollback_state() -> State:
    """`show system rollback N`, `show system rollback compare N M`."""

    def one(number_: object) -> State:
        return State((), Call(show_rollback, {"number": number_}, CONFIGURATION))

    def first(old: object) -> State:
        def second(new: object) -> State:
            return State((), Call(compare, {"old": old, "new": new}, CONFIGURATION))

        return State((Choice(COMMITTED.hint, "Newer commit", second, COMMITTED),))

    olds = State((Choice(COMMITTED.hint, "Older commit", first, COMMITTED),))
    return State(
        (
            Choice("compare", "Compare two committed configurations", lambda _: olds),
            Choice(COMMITTED.hint, "Number of the commit, or rescue", one, COMMITTED),
        )
    )


OPERATIONAL.add(
    Command(
        ("show", "system", "rollback"),
        "Show a committed configuration",
        lambda *_: None,
        start=_rollback_state,
    )
)


def show_rollback(session: Session, number: int | str) -> Answer:
    return Configuration(session.client.committed(number))


def compare(session: Session, old: int | str, new: int | str) -> Answer:
    return Difference(session.client.committed(old), session.client.committed(new))


@OPERATIONAL.command("show profiles", "Show shipped and saved profiles", answers=TABLE)
def show_profiles(session: Session) -> Answer:
    rows = [{"name": name, "origin": "shipped"} for name in sorted(shipped_profiles())]
    for file in session.client.files():
        if file.name.endswith(".yaml"):
            rows.append({"name": file.name.removesuffix(".yaml"), "origin": "yours"})
    return TableAnswer(rows, system_tables.profiles)


@OPERATIONAL.command("file list", "List files", answers=TABLE)
def file_list(session: Session) -> Answer:
    return TableAnswer(session.client.files(), system_tables.files)


_NAMED = Argument("file", "File name", FILE)


@OPERATIONAL.command("file show", "Show the contents of a file", _NAMED, ready=bool, answers=TABLE)
def file_show(session: Session, file: str) -> Answer:
    return TableAnswer({"name": file, "content": session.client.file(file)}, lambda data: data["content"])


@OPERATIONAL.command("file delete", "Delete a file", _NAMED, ready=bool)
def file_delete(session: Session, file: str) -> Answer:
    session.client.delete_file(file)
    return Message("")
