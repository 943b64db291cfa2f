# SPDX-License-Identifier: Apache-2.0
"""`show system` and `show log`."""

from __future__ import annotations

from snatsh.shell.core.answers import TABLE, Answer, TableAnswer
from snatsh.shell.core.command import CommandSet
from snatsh.shell.core.session import Session
from snatsh.shell.render import system_tables

OPERATIONAL = CommandSet()


@OPERATIONAL.command("show system resources", "Show resource usage", answers=TABLE)
def show_resources(session: Session) -> Answer:
    return TableAnswer(session.client.resources(), system_tables.resources)


@OPERATIONAL.command("show system uptime", "Show uptime", answers=TABLE)
def show_uptime(session: Session) -> Answer:
    return TableAnswer(session.client.uptime(), system_tables.uptime)


@OPERATIONAL.command("show system users", "Show logged-in users", answers=TABLE)
def show_users(session: Session) -> Answer:
    return TableAnswer(session.client.users(), system_tables.users)


@OPERATIONAL.command("show system alarms", "Show active alarms", answers=TABLE)
def show_alarms(session: Session) -> Answer:
    return TableAnswer(session.client.alarms(), system_tables.alarms)


@OPERATIONAL.command("show log", "Show log messages of snatd", answers=TABLE)
@OPERATIONAL.command("show log messages", "Show log messages of snatd", answers=TABLE)
def show_messages(session: Session) -> Answer:
    return TableAnswer(session.client.messages(), system_tables.messages)


@OPERATIONAL.command("show log audit", "Show the audit log", answers=TABLE)
def show_audit(session: Session) -> Answer:
    return TableAnswer(session.client.audit(), system_tables.audit)
