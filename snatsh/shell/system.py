"""The gateway as a whole: what it uses, what is wrong with it, who is there, what was logged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snatsh.shell import renderers_system
from snatsh.shell.answers import Answer, Table
from snatsh.shell.pipes import TABLE
from snatsh.shell.registries import OPERATIONAL

if TYPE_CHECKING:
    from snatsh.shell.session import Session


@OPERATIONAL.command("show system resources", "What the gateway uses", answers=TABLE)
def show_resources(session: Session) -> Answer:
    return Table(session.client.system("resources"), renderers_system.resources)


@OPERATIONAL.command("show system uptime", "How long the gateway runs", answers=TABLE)
def show_uptime(session: Session) -> Answer:
    return Table(session.client.system("uptime"), renderers_system.uptime)


@OPERATIONAL.command("show system users", "Who is at a console", answers=TABLE)
def show_users(session: Session) -> Answer:
    return Table(session.client.system("users"), renderers_system.users)


@OPERATIONAL.command("show system alarms", "What somebody should look at", answers=TABLE)
def show_alarms(session: Session) -> Answer:
    return Table(session.client.system("alarms"), renderers_system.alarms)


@OPERATIONAL.command("show log", "What snatd has said", answers=TABLE)
@OPERATIONAL.command("show log messages", "What snatd has said", answers=TABLE)
def show_messages(session: Session) -> Answer:
    return Table(session.client.log("messages"), renderers_system.messages)


@OPERATIONAL.command("show log audit", "Who did what", answers=TABLE)
def show_audit(session: Session) -> Answer:
    return Table(session.client.log("audit"), renderers_system.audit)
